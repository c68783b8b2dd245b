//! A notification as a CloudEvent: version 1.0 of <https://github.com/cloudevents/spec>, in its JSON
//! format.

use serde::Serialize;

use super::{Notice, Notification};
use crate::event::Json;
use crate::limits::NOTIFICATION_BYTES_MAX;

/// The envelope, with its members in this order.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
struct Envelope<'a> {
    specversion: &'static str,
    id: &'a str,
    source: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    subject: &'a str,
    time: String,
    datacontenttype: &'static str,
    sequence: String,
    data: Data<'a>,
}

#[derive(Default, Serialize)]
struct Data<'a> {
    execution: &'a str,
    workflow: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    took_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    view: Option<&'a Json>,
    /// Which of the values was too large for a notification.
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out: Option<&'static str>,
}

impl Notification {
    /// The notification as a CloudEvent in JSON, as all of Everstep's notifiers send it; at most
    /// [`NOTIFICATION_BYTES_MAX`] long: a value for which there is no room is left out, and
    /// `data.left_out` names it.
    ///
    /// `sequence` orders the notifications of one execution as text.
    #[must_use]
    pub fn to_cloud_event(&self) -> String {
        let whole = self.written(None);
        if whole.len() <= NOTIFICATION_BYTES_MAX {
            return whole;
        }
        self.written(Some(if matches!(self.notice, Notice::View { .. }) {
            "view"
        } else {
            "result"
        }))
    }

    /// The place among the notifications of its execution, to be compared as text.
    #[must_use]
    pub fn sequence(&self) -> String {
        format!("{:020}.{:010}", self.commit, self.index.unwrap_or(u32::MAX))
    }

    fn written(&self, left_out: Option<&'static str>) -> String {
        let common = Data {
            execution: self.execution.as_str(),
            workflow: &self.workflow,
            run: self.run,
            left_out,
            ..Data::default()
        };
        let data = match &self.notice {
            Notice::Status { status, reason, result } => Data {
                status: Some(status.as_str()),
                reason: reason.as_deref(),
                result: result.as_ref().filter(|_| left_out.is_none()),
                ..common
            },
            Notice::Step { key, attempt, end, took, result } => Data {
                step: Some(key.to_string()),
                end: Some(end.as_str()),
                attempt: Some(*attempt),
                took_ms: Some(u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
                result: result.as_ref().filter(|_| left_out.is_none()),
                ..common
            },
            Notice::View { view } => {
                Data { view: view.as_ref().filter(|_| left_out.is_none()), ..common }
            }
        };
        let envelope = Envelope {
            specversion: "1.0",
            id: &self.id,
            source: &self.source,
            kind: self.notice.kind(),
            subject: self.execution.as_str(),
            time: self.at.to_string(),
            datacontenttype: "application/json",
            sequence: self.sequence(),
            data,
        };
        serde_json::to_string(&envelope).expect("texts and numbers are JSON")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ExecutionId;
    use crate::store::Status;
    use crate::time::Timestamp;

    fn completed(result: Option<Json>) -> Notification {
        Notification {
            id: "order-7/3/1".to_owned(),
            execution: ExecutionId::new("order-7").expect("an id"),
            workflow: "fulfil".to_owned(),
            run: Some(1),
            commit: 3,
            index: Some(1),
            at: Timestamp(1_735_689_600_000),
            notice: Notice::Status { status: Status::Completed, reason: None, result },
            source: "/everstep".into(),
        }
    }

    #[test]
    fn a_notification_is_a_cloud_event_of_version_one() {
        let written = completed(None).to_cloud_event();
        assert_eq!(
            written,
            r#"{"specversion":"1.0","id":"order-7/3/1","source":"/everstep","type":"everstep.status","subject":"order-7","time":"2025-01-01T00:00:00.000Z","datacontenttype":"application/json","sequence":"00000000000000000003.0000000001","data":{"execution":"order-7","workflow":"fulfil","run":1,"status":"completed"}}"#
        );
    }

    #[test]
    fn a_value_for_which_there_is_no_room_is_left_out_and_named() {
        let small = completed(Some(Json::record("cake").expect("JSON"))).to_cloud_event();
        assert!(small.contains(r#""result":"cake""#) && !small.contains("left_out"), "{small}");
        let huge = Json::record(&"x".repeat(NOTIFICATION_BYTES_MAX)).expect("JSON");
        let written = completed(Some(huge)).to_cloud_event();
        assert!(written.len() < 1_000, "{} bytes", written.len());
        assert!(written.contains(r#""left_out":"result""#), "{written}");
    }

    #[test]
    fn a_block_comes_behind_all_that_its_commit_has() {
        let last = completed(None);
        let block = Notification { index: None, ..last.clone() };
        let next = Notification { commit: 4, index: Some(0), ..last.clone() };
        assert!(last.sequence() < block.sequence() && block.sequence() < next.sequence());
    }
}
