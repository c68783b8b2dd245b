//! An expense that somebody has to approve: each approver has three seconds, then the next one up
//! is asked.
//!
//! ```console
//! $ cargo run -p approval
//! ```
//!
//! The approvers are played by this program. While it runs, you can be quicker than they are:
//! `everstep promise complete TOKEN '{"approved":true,"by":"me"}'`. The log is in `everstep.db`
//! unless `EVERSTEP_URL` names another backend.

#![allow(clippy::print_stdout, reason = "talking on the terminal is what it is for")]

use std::time::Duration;

use everstep::PromiseError;
use everstep::prelude::*;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

/// What is to be approved, and by whom.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Expense {
    what: String,
    approvers: Vec<String>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Decision {
    approved: bool,
    by: String,
}

/// Asks one approver after the other, until one decides.
#[workflow]
async fn approve(State(post): State<Post>, expense: Expense) -> everstep::Result<Decision> {
    for approver in &expense.approvers {
        let decision = promise::<Decision>("decision").timeout(seconds(3));
        ask(&post, approver, &expense.what, &decision.token()).await?;
        match decision.await {
            Err(PromiseError::TimedOut { .. }) => {} // on holiday: the next one up
            decision => return Ok(decision?),
        }
    }
    Ok(Decision { approved: false, by: "nobody".to_owned() })
}

/// Writes to an approver. Whoever has the token can answer, from wherever that is.
#[step(skip(post))]
async fn ask(
    post: &Post,
    approver: &str,
    what: &str,
    answer_to: &PromiseToken,
) -> everstep::Result<()> {
    let (to, what, answer_to) = (approver.to_owned(), what.to_owned(), answer_to.clone());
    post.0.send(Letter { to, what, answer_to })?;
    Ok(())
}

/// The post office: letters for the approvers.
#[derive(Debug, Clone)]
struct Post(mpsc::UnboundedSender<Letter>);

#[derive(Debug)]
struct Letter {
    to: String,
    what: String,
    answer_to: PromiseToken,
}

/// The approvers: Bob is on holiday, everybody else takes a second and says yes.
async fn play(client: Client, mut letters: mpsc::UnboundedReceiver<Letter>) -> anyhow::Result<()> {
    while let Some(Letter { to, what, answer_to }) = letters.recv().await {
        println!("to {to}: please approve {what}\n   answer to {answer_to}");
        if to == "Bob" {
            println!("   Bob is on holiday");
            continue;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let decision = Decision { approved: true, by: to };
        match client.promise(&answer_to).complete(&decision).await {
            Ok(_) => println!("   {}: yes", decision.by),
            Err(too_late) => println!("   {}: {too_late}", decision.by),
        }
    }
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let backend = Backend::from_env().await?;
    let client = Client::new(&backend);
    let (post, letters) = mpsc::unbounded_channel();
    let app = App::new().workflow(approve).state(Post(post)).backend(backend);
    tokio::spawn(play(client.clone(), letters));

    let expense = Expense {
        what: "a teapot for 34.90 EUR".to_owned(),
        approvers: vec!["Bob".to_owned(), "Ada".to_owned()],
    };
    let approval = client.start(approve, expense).await?;
    let decision = app.worker().await?.run_until(approval.result()).await??;
    let said = if decision.approved { "approved" } else { "refused" };
    println!("{said} by {}\n\nits log: everstep history {}", decision.by, approval.id());
    Ok(())
}

#[cfg(test)]
mod tests {
    use everstep::testing::{Env, crash_everywhere};

    use super::*;

    fn office() -> Env {
        let (post, _letters) = mpsc::unbounded_channel();
        let env = Env::new(App::new().workflow(approve).state(Post(post)));
        env.mock(ask, |_letter| Ok(()));
        env
    }

    fn teapot() -> Expense {
        let approvers = ["Bob", "Ada"].map(str::to_owned).to_vec();
        Expense { what: "a teapot".to_owned(), approvers }
    }

    fn yes(by: &str) -> Decision {
        Decision { approved: true, by: by.to_owned() }
    }

    #[test]
    fn the_first_approver_decides_in_time() {
        let env = office();
        let approval = env.start(approve, teapot());
        approval.complete_after(seconds(2), "decision", &yes("Bob"));
        assert_eq!(approval.result().unwrap(), yes("Bob"));
        assert_eq!(env.runs("ask"), 1);
    }

    #[test]
    fn who_does_not_answer_is_passed_over() {
        let env = office();
        let approval = env.start(approve, teapot());
        approval.complete_after(seconds(4), "decision", &yes("Ada"));
        assert_eq!(approval.result().unwrap(), yes("Ada"));
        assert_eq!(env.runs("ask"), 2);
    }

    #[test]
    fn without_any_answer_it_is_refused() {
        let decision = office().run(approve, teapot()).unwrap();
        assert_eq!(decision, Decision { approved: false, by: "nobody".to_owned() });
    }

    #[test]
    fn a_crash_anywhere_changes_nothing() {
        let crashes = crash_everywhere(office, |env| env.start(approve, teapot()));
        // An approver may get a letter twice. Both have the same token.
        assert!(crashes.repeated.contains("ask#1"));
    }
}
