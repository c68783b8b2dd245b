//! Recorded histories against the code of today.

use everstep::event::Event;
use everstep::prelude::*;
use everstep::testing::{Env, Recorded, ReplayError, replay};

use super::{Bank, charge, ok, says, sell, ship, shop};

/// A sale that has ended, or waits for its approval.
fn recorded(ended: bool) -> Recorded {
    let env = Env::new(shop());
    env.mock(charge, |(_, card, cents)| Ok(format!("{cents} from {card}")));
    let sale = env.start(sell, 5);
    if ended {
        sale.signal("approval", &true);
        sale.result().unwrap();
    } else {
        env.advance(days(1));
    }
    Recorded::from_log(sale.history()).unwrap()
}

#[track_caller]
fn differs(app: App, recorded: &Recorded, parts: &[&str]) {
    let error = replay(&app, recorded).unwrap_err();
    assert!(matches!(error, ReplayError::Differs { .. }), "{error}");
    says(&error.to_string(), &[&["execution e-1"], parts].concat());
}

#[test]
fn the_code_that_wrote_a_history_replays_it() {
    for ended in [false, true] {
        replay(&shop(), &recorded(ended)).unwrap();
    }
}

#[test]
fn what_the_command_prints_is_read() {
    let env = Env::new(shop());
    env.mock(charge, |(_, card, cents)| Ok(format!("{cents} from {card}")));
    let sale = env.start(sell, 5);
    sale.result().unwrap();
    let line = |event: &Event| {
        let kind = event.kind();
        serde_json::json!({ "execution": "e-1", "commit": 0, "kind": kind, "event": event })
    };
    let lines: Vec<String> = sale.events().iter().map(|event| line(event).to_string()).collect();
    let read = Recorded::parse(&format!("{}\n", lines.join("\n"))).unwrap();
    assert_eq!(read, Recorded::from_log(sale.history()).unwrap());
    replay(&shop(), &read).unwrap();
    let error = Recorded::parse(&format!("{}\n{{}}", lines[0])).unwrap_err();
    assert!(matches!(error, ReplayError::Line { line: 2, .. }), "{error}");
    let error = Recorded::parse(&lines[1]).unwrap_err();
    assert!(matches!(error, ReplayError::NoStart { with: "TurnStarted" }), "{error}");
    assert!(matches!(Recorded::parse(""), Err(ReplayError::NoStart { with: "nothing" })));
}

#[test]
fn another_order_of_calls_is_named_with_both_sides() {
    #[workflow(name = "sell")]
    async fn ships_first(State(bank): State<Bank>, cents: u64) -> everstep::Result<String> {
        let shipped = ship("nothing").await?;
        let _ = charge(&bank, "4242", cents).await;
        Ok(shipped)
    }
    let app = App::new().workflow(ships_first).state(Bank);
    let sides = ["the log has step charge#1", "the code asks for step ship#1", "kit/replays.rs:"];
    differs(app, &recorded(true), &sides);
}

#[test]
fn a_step_less_is_named() {
    #[workflow(name = "sell")]
    async fn does_not_ship(State(bank): State<Bank>, cents: u64) -> everstep::Result<String> {
        let charged = charge(&bank, "4242", cents).await;
        let _ = timeout(days(10), signal::<bool>("approval")).await;
        Ok(charged.unwrap_or_default())
    }
    let app = || App::new().workflow(does_not_ship).state(Bank);
    differs(app(), &recorded(true), &["the log has step ship#1", "asks for nothing there"]);
    // An execution that is not so far may go on so.
    replay(&app(), &recorded(false)).unwrap();
}

#[test]
fn another_argument_is_named_with_both_values() {
    #[workflow(name = "sell")]
    async fn dearer(State(bank): State<Bank>, cents: u64) -> everstep::Result<()> {
        let _ = charge(&bank, "4242", cents + 1).await;
        Ok(())
    }
    let app = App::new().workflow(dearer).state(Bank);
    let values = [r#"were {"card":"4242","cents":5}"#, r#"now {"card":"4242","cents":6}"#];
    differs(app, &recorded(true), &values);
}

#[test]
fn another_end_is_named_with_both_sides() {
    #[workflow(name = "sell")]
    async fn terse(State(bank): State<Bank>, cents: u64) -> everstep::Result<String> {
        let charged = charge(&bank, "4242", cents).await;
        let _ = timeout(days(10), signal::<bool>("approval")).await;
        ship(&charged.unwrap_or_default()).await?;
        Ok("sold".to_owned())
    }
    let app = App::new().workflow(terse).state(Bank);
    let sides = [r#"returned "shipped for 5 from 4242""#, r#"the code returns "sold""#];
    differs(app, &recorded(true), &sides);

    #[workflow(name = "sell")]
    async fn polite(State(bank): State<Bank>, cents: u64) -> everstep::Result<String> {
        let charged = charge(&bank, "4242", cents).await;
        let _ = timeout(days(10), signal::<bool>("approval")).await;
        let shipped = ship(&charged.unwrap_or_default()).await?;
        step("thank", async || ok(())).await?;
        Ok(shipped)
    }
    let app = App::new().workflow(polite).state(Bank);
    differs(
        app,
        &recorded(true),
        &["sell ended", "the code waits for thank#1 (tests/it/kit/replays.rs:"],
    );

    #[workflow(name = "sell")]
    async fn hasty(State(bank): State<Bank>, cents: u64) -> everstep::Result<String> {
        let charged = charge(&bank, "4242", cents).await;
        let _given_up = (signal::<bool>("approval"), sleep(days(10)));
        Ok(charged.unwrap_or_default())
    }
    let app = App::new().workflow(hasty).state(Bank);
    differs(app, &recorded(false), &["the log says that sell waits, the code returns"]);
}

#[test]
fn an_end_where_the_code_waits_for_something_of_its_own_is_named() {
    #[workflow(name = "sell")]
    async fn stuck(State(bank): State<Bank>, cents: u64) -> everstep::Result<String> {
        let charged = charge(&bank, "4242", cents).await;
        let _ = timeout(days(10), signal::<bool>("approval")).await;
        let _ = ship(&charged.unwrap_or_default()).await;
        std::future::pending().await
    }
    let app = App::new().workflow(stuck).state(Bank);
    differs(app, &recorded(true), &["sell ended", "the code waits for none of its operations"]);
}

#[test]
fn an_undo_more_than_a_cancelled_execution_made_is_named() {
    #[step(undo = back)]
    async fn lend(what: &str) -> everstep::Result<String> {
        Ok(what.to_owned())
    }
    async fn back(_what: &str, _lent: &str) -> everstep::Result<()> {
        Ok(())
    }
    #[step(name = "lend", undo = none)]
    async fn give(what: &str) -> everstep::Result<String> {
        Ok(what.to_owned())
    }
    #[workflow(name = "shelf")]
    async fn gives(_: ()) -> everstep::Result<()> {
        give("a book").await?;
        lend("a film").await?;
        sleep(days(1)).await;
        Ok(())
    }
    #[workflow(name = "shelf")]
    async fn lends(_: ()) -> everstep::Result<()> {
        lend("a book").await?;
        lend("a film").await?;
        sleep(days(1)).await;
        Ok(())
    }
    let env = Env::new(App::new().workflow(gives));
    let shelf = env.start(gives, ());
    shelf.cancel_after(hours(1), "enough");
    assert!(shelf.result().is_err());
    let recorded = Recorded::from_log(shelf.history()).unwrap();
    replay(&App::new().workflow(gives), &recorded).unwrap();
    let waits = ["the log says that shelf ended", "the code waits for undo lend#2 ("];
    differs(App::new().workflow(lends), &recorded, &waits);
}

#[test]
fn a_workflow_that_is_gone_is_named_with_those_that_are_there() {
    #[workflow]
    async fn buy(_: ()) -> everstep::Result<()> {
        Ok(())
    }
    let error = replay(&App::new().workflow(buy), &recorded(true)).unwrap_err();
    assert_eq!(error.to_string(), "the app has no workflow \"sell\": there are buy");
    let error = replay(&App::new().workflow(sell), &recorded(true)).unwrap_err();
    assert!(matches!(error, ReplayError::App(_)), "{error}");
}
