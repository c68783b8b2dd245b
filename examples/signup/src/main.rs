//! A sign-up that waits for the click in an e-mail: a reminder after one day, another after
//! three, and an end after a week. Whoever looks sees how far it has come.
//!
//! ```console
//! $ cargo run -p signup     # with seconds for days
//! ```
//!
//! The log is in `everstep.db` unless `EVERSTEP_URL` names another backend.

#![allow(clippy::print_stdout, reason = "talking on the terminal is what it is for")]

use std::time::Duration;

use everstep::prelude::*;
use serde::{Deserialize, Serialize};

/// How far a sign-up has come.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Progress {
    Waiting { reminders: u32 },
    Confirmed,
    Expired,
}

/// Signs somebody up, once the link in the e-mail is clicked. Returns whether it was.
#[workflow]
async fn sign_up(State(day): State<Day>, address: String) -> everstep::Result<bool> {
    let mut clicks = signals::<()>("clicked");
    send_mail(&address, "please confirm").await?;
    // From each mail to the next: to the first day, to the third, to the seventh.
    for (reminders, days) in (0..).zip([1, 2, 4]) {
        publish(&Progress::Waiting { reminders });
        if timeout(day.0 * days, clicks.next()).await.is_ok() {
            create_account(&address).await?;
            publish(&Progress::Confirmed);
            return Ok(true);
        }
        if reminders < 2 {
            send_mail(&address, "did you forget us?").await?;
        }
    }
    publish(&Progress::Expired);
    Ok(false)
}

/// How long a day is: in a show, a second.
#[derive(Debug, Clone, Copy)]
struct Day(Duration);

#[step]
async fn send_mail(address: &str, subject: &str) -> everstep::Result<()> {
    println!("  mail to {address}: {subject}"); // here, call the mail service
    Ok(())
}

#[step]
async fn create_account(address: &str) -> everstep::Result<()> {
    println!("  {address} has an account");
    Ok(())
}

fn app(day: Duration) -> App {
    App::new().workflow(sign_up).state(Day(day))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let backend = Backend::from_env().await?;
    let client = Client::new(&backend);
    let worker = app(seconds(1)).backend(backend).worker().await?;
    worker.run_until(play(&client)).await?
}

/// Ada clicks after two days, Eve never.
async fn play(client: &Client) -> Result<(), Box<dyn std::error::Error>> {
    let ada = client.start(sign_up, "ada@example.org".to_owned()).await?;
    let eve = client.start(sign_up, "eve@example.org".to_owned()).await?;
    let look = async |when: &str| {
        let (ada, eve) = (ada.view::<Progress>().await?, eve.view::<Progress>().await?);
        println!("{when}: ada {ada:?}, eve {eve:?}");
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    tokio::time::sleep(Duration::from_millis(500)).await;
    look("after half a day").await?;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    ada.signal("clicked", &()).await?;
    println!("  ada clicks");
    assert!(ada.result().await?, "she has clicked");
    look("after two days").await?;
    assert!(!eve.result().await?, "she has not");
    look("after a week").await
}

#[cfg(test)]
mod tests {
    use everstep::testing::{Env, crash_everywhere};

    use super::*;

    fn env() -> Env {
        let env = Env::new(app(days(1)));
        env.mock(send_mail, |_| Ok(()));
        env.mock(create_account, |_| Ok(()));
        env
    }

    #[test]
    fn a_click_after_two_days_makes_an_account() {
        let env = env();
        let ada = env.start(sign_up, "ada@example.org".to_owned());
        assert_eq!(ada.view(), Some(Progress::Waiting { reminders: 0 }));
        env.advance(days(2));
        assert_eq!(ada.view(), Some(Progress::Waiting { reminders: 1 }));
        ada.signal("clicked", &());
        assert!(ada.result().unwrap());
        assert_eq!(ada.view(), Some(Progress::Confirmed));
        assert_eq!((env.runs("send_mail"), env.runs("create_account")), (2, 1));
    }

    #[test]
    fn without_a_click_there_are_two_reminders_and_an_end_after_a_week() {
        let env = env();
        let begun = env.now();
        let eve = env.start(sign_up, "eve@example.org".to_owned());
        assert!(!eve.result().unwrap());
        assert_eq!((env.now() - begun).num_days(), 7);
        assert_eq!(eve.view(), Some(Progress::Expired));
        assert_eq!((env.runs("send_mail"), env.runs("create_account")), (3, 0));
    }

    #[test]
    fn a_sign_up_survives_every_crash() {
        let crashes = crash_everywhere(env, |env| {
            let ada = env.start(sign_up, "ada@example.org".to_owned());
            ada.signal_after(hours(30), "clicked", &());
            ada
        });
        assert!(crashes.crashes > 10, "{crashes:?}");
    }
}
