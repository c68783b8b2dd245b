//! A shopping cart as a virtual object: it is there when somebody puts something in, it keeps
//! what is in it over every crash and deploy, and it is given up when nobody comes back. What is
//! ordered becomes an execution of its own, a child of the cart's.
//!
//! ```console
//! $ cargo run -p cart
//! ```
//!
//! The log is in `everstep.db` unless `EVERSTEP_URL` names another backend. The command line may
//! talk to a cart too, while this program runs elsewhere:
//! `everstep update cart/ada command '{"Put":["teapot",1]}'`.

#![allow(clippy::print_stdout, reason = "talking on the terminal is what it is for")]

use std::collections::BTreeMap;
use std::time::Duration;

use everstep::client::ObjectHandle;
use everstep::prelude::*;
use serde::{Deserialize, Serialize};

/// What is in it, by article.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Cart {
    pieces: BTreeMap<String, u32>,
    ordered: bool,
}

#[derive(Debug, Serialize, Deserialize)]
enum Command {
    Put(String, u32),
    Order,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Refused {
    OutOfStock {
        left: u32,
    },
    Empty,
    /// The warehouse could not be asked.
    NoAnswer(String),
}

impl Cart {
    async fn handle(&mut self, command: Command) -> Result<Self, Refused> {
        match command {
            Command::Put(article, pieces) => {
                let there = self.pieces.get(&article).copied().unwrap_or(0);
                let wanted = there.saturating_add(pieces);
                let asked = stock(&article).await;
                let left = asked.map_err(|error| Refused::NoAnswer(error.to_string()))?;
                if wanted > left {
                    return Err(Refused::OutOfStock { left });
                }
                self.pieces.insert(article, wanted);
            }
            Command::Order if self.pieces.is_empty() => return Err(Refused::Empty),
            Command::Order => self.ordered = true,
        }
        Ok(self.clone())
    }
}

/// A customer's cart, until it is ordered or nobody has come for so long.
#[workflow]
async fn cart(State(patience): State<Patience>, mut cart: Object<Cart>) -> everstep::Result<Cart> {
    match cart.commands().until(|cart| cart.ordered).idle(patience.0).handle(Cart::handle).await {
        Served::Done => {
            let (customer, pieces) = (cart.key.clone(), cart.state.pieces.clone());
            child(order, Order { customer, pieces }).await?;
        }
        _ => remind(&cart.key, &cart.state).await?,
    }
    Ok(cart.state)
}

/// What was in a cart when it was ordered.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Order {
    customer: String,
    pieces: BTreeMap<String, u32>,
}

/// Has a log of its own, under an id that follows from the cart's: `cart/ada/order#1`.
#[workflow]
async fn order(order: Order) -> everstep::Result<()> {
    deliver(&order).await
}

/// How long a cart waits for its customer.
#[derive(Debug, Clone, Copy)]
struct Patience(Duration);

#[step]
async fn stock(article: &str) -> everstep::Result<u32> {
    Ok(if article == "teapot" { 3 } else { 100 }) // here, ask the warehouse
}

#[step]
async fn deliver(order: &Order) -> everstep::Result<()> {
    println!("  {}'s order goes out: {:?}", order.customer, order.pieces);
    Ok(())
}

#[step]
async fn remind(customer: &str, cart: &Cart) -> everstep::Result<()> {
    println!("  dear {customer}, you have left something in your cart: {:?}", cart.pieces);
    Ok(())
}

fn app(patience: Duration) -> App {
    App::new().workflow(cart).workflow(order).state(Patience(patience))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let backend = Backend::from_env().await?;
    let client = Client::new(&backend);
    let worker = app(seconds(2)).backend(backend).worker().await?;
    worker.run_until(shopping(&client)).await?
}

/// Ada buys a teapot and a cup; Eve leaves a cup in her cart.
async fn shopping(client: &Client) -> Result<(), Box<dyn std::error::Error>> {
    let (ada, eve) = (client.object(cart, "ada"), client.object(cart, "eve"));
    tell(&ada, Command::Put("teapot".into(), 1)).await?;
    tell(&ada, Command::Put("cup".into(), 2)).await?;
    tell(&ada, Command::Put("teapot".into(), 7)).await?;
    tell(&eve, Command::Put("cup".into(), 1)).await?;
    tell(&ada, Command::Order).await?;
    for object in [ada, eve] {
        // Eve's is given up two seconds after her last command.
        let bought = client.handle(cart, object.id()?).result().await?;
        println!(
            "{}'s cart is closed, {}",
            object.key(),
            if bought.ordered { "ordered" } else { "left" }
        );
    }
    Ok(())
}

async fn tell(object: &ObjectHandle, command: Command) -> Result<(), Box<dyn std::error::Error>> {
    let what = format!("{}: {command:?}", object.key());
    match object.call::<Cart>(&command).await {
        Ok(cart) => println!("{what} -> {:?}", cart.pieces),
        Err(error) => match error.rejection() {
            Some(Refused::OutOfStock { left }) => println!("{what} -> only {left} are left"),
            Some(Refused::Empty) => println!("{what} -> there is nothing in it"),
            Some(Refused::NoAnswer(why)) => println!("{what} -> the warehouse is silent: {why}"),
            None => return Err(error.into()),
        },
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use everstep::store::Status;
    use everstep::testing::{Env, crash_everywhere};

    use super::*;

    fn pieces(cart: &Cart) -> Vec<(&str, u32)> {
        cart.pieces.iter().map(|(article, pieces)| (&**article, *pieces)).collect()
    }

    #[test]
    fn a_cart_keeps_what_is_put_in_and_is_ordered_once() {
        let env = Env::new(app(days(1)));
        let client = env.client();
        let ada = client.object(cart, "ada");
        env.block_on(async {
            let put = |article: &str, pieces| Command::Put(article.into(), pieces);
            ada.call::<Cart>(&put("cup", 2)).id("click-1").await.unwrap();
            // The browser sent it again.
            let cart: Cart = ada.call(&put("cup", 2)).id("click-1").await.unwrap();
            assert_eq!(pieces(&cart), [("cup", 2)]);
            let error = ada.call::<Cart>(&put("teapot", 4)).await.unwrap_err();
            assert_eq!(error.rejection(), Some(Refused::OutOfStock { left: 3 }));
            let cart: Cart = ada.call(&Command::Order).id("order").await.unwrap();
            assert!(cart.ordered);
            // Its life is over: the same click has the same answer, another one a new cart.
            assert_eq!(ada.call::<Cart>(&Command::Order).id("order").await.unwrap(), cart);
            let error = ada.call::<Cart>(&Command::Order).await.unwrap_err();
            assert_eq!(error.rejection(), Some(Refused::Empty));
        });
        assert_eq!(env.runs("deliver"), 1);
    }

    #[test]
    fn a_cart_that_nobody_comes_back_to_is_reminded_of_and_closed() {
        let env = Env::new(app(days(1)));
        let client = env.client();
        let eve = client.object(cart, "eve");
        let put = || async { eve.call::<Cart>(&Command::Put("cup".into(), 1)).await.unwrap() };
        assert_eq!(pieces(&env.block_on(put())), [("cup", 1)]);
        env.advance(hours(23));
        // In time: another day.
        assert_eq!(pieces(&env.block_on(put())), [("cup", 2)]);
        env.advance(hours(23));
        assert_eq!(env.runs("remind"), 0);
        env.advance(hours(2));
        assert_eq!(env.runs("remind"), 1);
        let id = eve.id().unwrap();
        let record = env.block_on(client.describe(&id)).unwrap();
        assert_eq!(record.projection.status, Status::Completed);
        assert_eq!(pieces(&env.block_on(put())), [("cup", 1)], "a new one");
    }

    #[test]
    fn an_order_survives_every_crash() {
        let ordered = || Cart { pieces: [("cup".to_owned(), 2)].into(), ordered: true };
        let crashes = crash_everywhere(
            || Env::new(app(days(1))),
            |env| env.start(cart, Object::new("ada", ordered())),
        );
        assert!(crashes.crashes > 10, "{crashes:?}");
    }
}
