use clap::Args;
use everstep::backend::{BackendUrl, SCHEDULER_ROLE_VARIABLE, SCHEDULER_VARIABLE, SchedulerUrl};
use serde::Serialize;

use crate::backend;
use crate::failure::Failure;
use crate::output::{Output, talk};

/// Make the tables and queues that the backend needs.
///
/// Safe to repeat: what is there already is left as it is.
#[derive(Debug, Args)]
pub(crate) struct Setup {
    /// The ARN of the role with which EventBridge Scheduler sends to the queue, where the URL names a
    /// schedule group: the same as `&scheduler_role=ARN` in the URL.
    #[arg(long, value_name = "ARN")]
    scheduler_role: Option<String>,
}

#[derive(Serialize)]
struct Ready<'a> {
    url: &'a str,
}

/// What the role must be, which nobody but the account's owner can make.
const ROLE: &str = "timers of more than 15 minutes need a role for EventBridge Scheduler: one that \
                    scheduler.amazonaws.com may assume, and that may sqs:SendMessage to the queue. \
                    Until the URL has its ARN (--scheduler-role shows how) they hop through the queue";

impl Setup {
    pub(crate) async fn run(self, url: &str, out: &mut Output) -> Result<(), Failure> {
        let mut backend_url = backend::parse(url)?;
        if let Some(role) = self.scheduler_role {
            let BackendUrl::Dynamodb { scheduler: Some(scheduler), .. } = &mut backend_url else {
                let refused = "--scheduler-role goes with a schedule group";
                return Err(Failure::usage(refused).todo("add &scheduler=GROUP to the URL"));
            };
            *scheduler =
                SchedulerUrl::new(&scheduler.group, Some(&role)).map_err(Failure::usage)?;
        }
        let set = |name| std::env::var(name).is_ok_and(|value| !value.is_empty());
        let lacks_role = match &backend_url {
            BackendUrl::Dynamodb { scheduler: Some(SchedulerUrl { role, .. }), .. } => {
                role.is_none() && !set(SCHEDULER_ROLE_VARIABLE)
            }
            BackendUrl::Dynamodb { .. } => set(SCHEDULER_VARIABLE) && !set(SCHEDULER_ROLE_VARIABLE),
            _ => false,
        };
        let url = &backend_url.to_string();
        backend::connect(&backend_url).await?.setup().await?;
        if lacks_role {
            talk(ROLE);
        }
        if out.json {
            return out.object(&Ready { url });
        }
        talk(format_args!("{url} is ready"));
        Ok(())
    }
}
