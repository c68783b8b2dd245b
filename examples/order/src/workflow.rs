//! The workflow: what happens to an order, and the steps that make it happen.

use std::fmt;

use everstep::prelude::*;
use serde::{Deserialize, Serialize};

use crate::world::{World, WorldError};

/// What the workflow needs of this process: its clients.
#[derive(Debug, Clone)]
pub struct Shop {
    /// Everything that is not ours.
    pub world: World,
}

/// From the order to its confirmation.
#[workflow]
pub async fn fulfil_order(State(shop): State<Shop>, order: Order) -> Result<Receipt, OrderError> {
    reserve(&shop, &order).await?;
    let charge = charge(&shop, &order).await?;

    let (label, invoice) =
        tokio::join!(print_label(&shop, &order), send_invoice(&shop, &order, &charge));
    let (label, invoice) = (label?, invoice?);

    sleep(seconds(2)).await; // time to change one's mind; no process needs to live through it
    confirm(&shop, &order, &label).await?;
    Ok(Receipt { charge, label, invoice })
}

/// Takes the goods from the stock.
#[step(skip(shop))]
pub async fn reserve(shop: &Shop, order: &Order) -> Result<Reservation, OrderError> {
    let what = format!("{} x {}", order.pieces, order.article);
    Ok(Reservation(shop.world.act(&order.number, "reserve", what).await?))
}

/// Charges the card. A refused card stays refused: only a lost answer is worth another attempt.
#[step(skip(shop), retry(initial = "200ms", max = "10s"), retry_if = OrderError::is_transient)]
pub async fn charge(shop: &Shop, order: &Order) -> Result<Charge, OrderError> {
    if order.card.is_blocked() {
        return Err(OrderError::CardRefused);
    }
    let what = format!("{} from card {}", order.total(), order.card);
    Ok(Charge(shop.world.act(&order.number, "charge", what).await?))
}

/// Prints the parcel's label.
#[step(skip(shop))]
pub async fn print_label(shop: &Shop, order: &Order) -> Result<Label, OrderError> {
    let what = format!("to {}", order.customer);
    Ok(Label(shop.world.act(&order.number, "label", what).await?))
}

/// Sends the invoice for a charge.
#[step(skip(shop))]
pub async fn send_invoice(
    shop: &Shop,
    order: &Order,
    charge: &Charge,
) -> Result<Invoice, OrderError> {
    let what = format!("for {} to {}", charge.0, order.customer);
    Ok(Invoice(shop.world.act(&order.number, "invoice", what).await?))
}

/// Tells the customer that the parcel is on its way.
#[step(skip(shop))]
pub async fn confirm(shop: &Shop, order: &Order, label: &Label) -> Result<(), OrderError> {
    let what = format!("{} is on its way to {}", label.0, order.customer);
    shop.world.act(&order.number, "confirm", what).await?;
    Ok(())
}

/// What a customer wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The order's number, which is also its execution's id.
    pub number: String,
    /// Who.
    pub customer: String,
    /// What.
    pub article: String,
    /// How many.
    pub pieces: u32,
    /// For how much each.
    pub price: Cents,
    /// Paid with.
    pub card: Card,
}

/// An amount of money: hundredths of a euro.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cents(pub u64);

/// The last four digits of a card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card(pub String);

/// The warehouse's number of a reservation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation(pub String);

/// The bank's number of a charge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge(pub String);

/// The carrier's number of a parcel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label(pub String);

/// The number of an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invoice(pub String);

/// What the customer gets to see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// How it was paid.
    pub charge: Charge,
    /// How it comes.
    pub label: Label,
    /// The paper.
    pub invoice: Invoice,
}

/// Why an order is not fulfilled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum OrderError {
    /// The bank says no: ask for another card.
    #[error("the card was refused")]
    CardRefused,
    /// Nobody knows whether it was done: try again.
    #[error("the outside world did not answer: {reason}")]
    NoAnswer {
        /// What was seen.
        reason: String,
    },
}

impl OrderError {
    fn is_transient(&self) -> bool {
        matches!(self, Self::NoAnswer { .. })
    }
}

impl From<WorldError> for OrderError {
    fn from(error: WorldError) -> Self {
        Self::NoAnswer { reason: error.to_string() }
    }
}

impl Order {
    /// The order of this example.
    pub fn example(number: &str) -> Self {
        Self {
            number: number.to_owned(),
            customer: "Ada".to_owned(),
            article: "teapot".to_owned(),
            pieces: 2,
            price: Cents(34_90),
            card: Card("4242".to_owned()),
        }
    }

    /// What all of it costs.
    pub fn total(&self) -> Cents {
        Cents(self.price.0 * u64::from(self.pieces))
    }
}

impl Card {
    /// The bank's test card that is always refused.
    fn is_blocked(&self) -> bool {
        self.0 == "0000"
    }
}

impl fmt::Display for Cents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02} EUR", self.0 / 100, self.0 % 100)
    }
}

impl fmt::Display for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "**** {}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // A step called outside a workflow is the plain function.

    #[tokio::test]
    async fn a_charge_is_one_effect_of_the_whole_sum() {
        let folder = tempfile::tempdir().unwrap();
        let shop = Shop { world: World::open(&folder.path().join("world.db")).unwrap() };
        let order = Order::example("order-1");
        let charge = charge(&shop, &order).await.unwrap();
        assert_eq!(charge, Charge("charge-1".to_owned()));
        let effects = shop.world.effects("order-1").unwrap();
        assert_eq!(effects.len(), 1);
        assert_eq!(effects[0].detail, "69.80 EUR from card **** 4242");
    }

    #[tokio::test]
    async fn a_refused_card_leaves_no_trace() {
        let folder = tempfile::tempdir().unwrap();
        let shop = Shop { world: World::open(&folder.path().join("world.db")).unwrap() };
        let order = Order { card: Card("0000".to_owned()), ..Order::example("order-1") };
        assert_eq!(charge(&shop, &order).await, Err(OrderError::CardRefused));
        assert_eq!(shop.world.effects("order-1").unwrap().len(), 0);
    }
}
