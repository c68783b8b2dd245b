//! Which values of an event are payloads: what users' code passed in or returned. Everything else
//! of it is the library's, or a name.

use super::{ChildOutcome, CompensationCause, Event, Failure, Json, PromiseResult, Reply};

/// Calls `$f` for each payload of `$event`, a reference; with `mut`, for a mutable one. Every kind is
/// named: one that is added has to say here what it carries.
macro_rules! each {
    ($event:expr, $f:expr, $visit:ident $(, $m:tt)?) => {
        match $event {
            Event::WorkflowStarted(e) => $f(&$($m)? e.input),
            Event::StepStarted(e) => $f(&$($m)? e.input),
            Event::StepAttemptFailed(e) => {
                $f(&$($m)? e.input);
                if let Failure::Error { value } = &$($m)? e.failure {
                    $f(value);
                }
            }
            Event::StepPostponed(e) => $f(&$($m)? e.input),
            Event::StepHeartbeat(e) => $f(&$($m)? e.details),
            Event::StepCompleted(e) => {
                $f(&$($m)? e.input);
                $f(&$($m)? e.output);
            }
            Event::StepFailed(e) => {
                $f(&$($m)? e.input);
                if let Failure::Error { value } = &$($m)? e.failure {
                    $f(value);
                }
            }
            Event::ChildRequested(e) => $f(&$($m)? e.input),
            Event::ChildCompleted(e) => {
                if let ChildOutcome::Completed { output: value }
                    | ChildOutcome::Failed { error: value } = &$($m)? e.outcome
                {
                    $f(value);
                }
            }
            Event::SignalReceived(e) => $f(&$($m)? e.payload),
            Event::PromiseResolved(e) => {
                if let PromiseResult::Completed { value } = &$($m)? e.result {
                    $f(value);
                }
            }
            Event::UpdateReceived(e) => $f(&$($m)? e.request),
            Event::UpdateReplied(e) => {
                if let Reply::Value(value) | Reply::Rejected(value) = &$($m)? e.reply {
                    $f(value);
                }
            }
            Event::ViewPublished(e) => $f(&$($m)? e.view),
            Event::CompensationStarted(e) => {
                if let CompensationCause::Failed { error } = &$($m)? e.cause {
                    $f(error);
                }
            }
            Event::WorkflowCompleted(e) => $f(&$($m)? e.output),
            Event::WorkflowFailed(e) => $f(&$($m)? e.error),
            Event::Carried(e) => {
                for message in &$($m)? e.messages {
                    message.$visit($f);
                }
            }
            Event::TurnStarted(_)
            | Event::LeaseRenewed(_)
            | Event::TimerStarted(_)
            | Event::TimerFired(_)
            | Event::ChildStarted(_)
            | Event::VersionChosen(_)
            | Event::PromiseCreated(_)
            | Event::PromiseHeartbeat(_)
            | Event::TagSet(_)
            | Event::CancelRequested(_)
            | Event::Resumed(_)
            | Event::TurnEnded(_)
            | Event::WorkflowCancelled(_)
            | Event::WorkflowTerminated(_)
            | Event::ContinuedAsNew(_) => {}
        }
    };
}

impl Event {
    /// Shows `f` each payload of the event: inputs, results and errors, what messages carry, views.
    pub fn payloads<'a>(&'a self, f: &mut dyn FnMut(&'a Json)) {
        each!(self, f, payloads);
    }

    /// The same, to be replaced.
    pub fn payloads_mut<'a>(&'a mut self, f: &mut dyn FnMut(&'a mut Json)) {
        each!(self, f, payloads_mut, mut);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every text in `value` that is one of ours.
    fn marks(value: &serde_json::Value, found: &mut Vec<String>) {
        match value {
            serde_json::Value::String(text) if text.starts_with("payload-") => {
                found.push(text.clone());
            }
            serde_json::Value::Array(items) => items.iter().for_each(|item| marks(item, found)),
            serde_json::Value::Object(members) => {
                members.values().for_each(|member| marks(member, found));
            }
            _ => {}
        }
    }

    #[test]
    fn each_payload_is_shown_and_can_be_replaced() {
        let step = r#""at":0,"seq":0,"key":"a#1","site":"x:1","attempt":1"#;
        let failure = r#""failure":{"error":{"value":"payload-2"}}"#;
        for text in [
            format!(r#"{{"StepStarted":{{{step},"input":"payload-1"}}}}"#),
            format!(
                r#"{{"StepAttemptFailed":{{{step},"took_us":1,"input":"payload-1",{failure},"retry_at":0}}}}"#
            ),
            format!(
                r#"{{"StepPostponed":{{{step},"took_us":1,"input":"payload-1","reason":"","retry_at":0}}}}"#
            ),
            format!(r#"{{"StepHeartbeat":{{{step},"details":"payload-1"}}}}"#),
            format!(
                r#"{{"StepCompleted":{{{step},"took_us":1,"input":"payload-1","output":"payload-2"}}}}"#
            ),
            format!(r#"{{"StepFailed":{{{step},"took_us":1,"input":"payload-1",{failure}}}}}"#),
            r#"{"SignalReceived":{"at":0,"id":"a","name":"n","payload":"payload-1"}}"#.to_owned(),
            r#"{"UpdateReceived":{"at":0,"id":"a","name":"n","request":"payload-1"}}"#.to_owned(),
            r#"{"WorkflowCompleted":{"at":0,"output":"payload-1"}}"#.to_owned(),
            r#"{"WorkflowFailed":{"at":0,"error":"payload-1"}}"#.to_owned(),
            r#"{"Carried":{"at":0,"messages":[{"SignalReceived":{"at":0,"id":"a","name":"n","payload":"payload-1"}}]}}"#
                .to_owned(),
        ] {
            let mut event: Event = serde_json::from_str(&text).expect(&text);
            let (mut written, mut shown) = (Vec::new(), Vec::new());
            marks(&serde_json::from_str(&text).expect("JSON"), &mut written);
            event.payloads(&mut |json| shown.push(json.read::<String>().expect("a text")));
            written.sort();
            shown.sort();
            assert_eq!(shown, written, "{text}");
            event.payloads_mut(&mut |json| *json = Json::null());
            let replaced = serde_json::to_string(&event).expect("JSON");
            assert!(!replaced.contains("payload-"), "{replaced}");
        }
    }
}
