//! Whatever the short way does, serde does the same.

use proptest::prelude::*;

use super::*;
use crate::event::commit;

fn step() -> impl Strategy<Value = Event> {
    let text = prop_oneof!["[a-z_]{1,12}", "[ -~é\u{2028}\u{0}-\u{1f}]{0,12}", "[#\"\\\\]{0,3}"];
    let json = prop_oneof![
        Just("null".to_owned()),
        Just("{}".to_owned()),
        Just("[1,[2,{\"a\":[]}],-0.5e-3,true]".to_owned()),
        "[ -~é\n]{0,20}".prop_map(|text| serde_json::to_string(&text).expect("text")),
        any::<u64>().prop_map(|number| number.to_string()),
    ];
    let at = prop_oneof![0..i64::MAX, any::<i64>()];
    (at, any::<u32>(), text.clone(), any::<(u32, u32, u64)>(), text, json.clone(), json).prop_map(
        |(at, seq, name, (count, attempt, took_us), site, input, output)| {
            Event::StepCompleted(StepCompleted {
                at: Timestamp(at),
                seq,
                key: OperationKey { name: name.into(), count },
                site: site.into(),
                attempt,
                took_us,
                input: Json::parse(input).expect("JSON"),
                output: Json::parse(output).expect("JSON"),
            })
        },
    )
}

fn numbered(events: Vec<Event>) -> (CommitNumber, WriterId, [u8; 32], Vec<Event>) {
    (events.len() as u64 * 7, WriterId(Uuid::from_u128(events.len() as u128)), [0xA7; 32], events)
}

/// What the short way reads, which must be what serde reads.
fn read_twice(text: &str) -> Option<Vec<Event>> {
    let (mut fast, mut serde) = (Vec::new(), Vec::new());
    let Some(head) = read(&text.into(), &mut fast) else {
        assert!(fast.is_empty(), "half of it is left behind");
        return None;
    };
    match commit::read(text, &mut serde) {
        Ok(same) => assert_eq!((head, &fast), (same, &serde)),
        Err(error) => panic!("only the short way reads {text}: {}", error.problem),
    }
    Some(fast)
}

#[test]
fn an_ordinary_commit_of_results_goes_the_short_way() {
    let events = [1, 2].map(|seq| {
        Event::StepCompleted(StepCompleted {
            at: Timestamp(1_800_000_000_000),
            seq,
            key: OperationKey { name: "charge".into(), count: seq },
            site: "src/order.rs:31".into(),
            attempt: 1,
            took_us: 812,
            input: Json::parse(r#"{"card":"4242","cents":1250}"#.to_owned()).expect("JSON"),
            output: Json::parse(r#""ch_1""#.to_owned()).expect("JSON"),
        })
    });
    let (number, writer, previous, events) = numbered(events.to_vec());
    let text = write(number, writer, previous, &events).expect("the short way");
    assert_eq!(text, commit::write(number, writer, previous, &events));
    assert_eq!(read_twice(&text).expect("the short way"), events);
}

proptest! {
    #[test]
    fn it_writes_and_reads_what_serde_does(events in prop::collection::vec(step(), 1..4)) {
        let (number, writer, previous, events) = numbered(events);
        let text = commit::write(number, writer, previous, &events);
        if let Some(fast) = write(number, writer, previous, &events) {
            prop_assert_eq!(&fast, &text);
        }
        if let Some(fast) = read_twice(&text) {
            prop_assert_eq!(fast, events);
        }
    }

    #[test]
    fn it_never_reads_what_serde_refuses(
        events in prop::collection::vec(step(), 1..3),
        at in any::<prop::sample::Index>(),
        byte in prop_oneof![Just(None), "[ -~]".prop_map(Some)],
        insert in any::<bool>(),
    ) {
        let (number, writer, previous, events) = numbered(events);
        let mut text = commit::write(number, writer, previous, &events);
        let places: Vec<_> = text.char_indices().map(|(at, _)| at).collect();
        let at = places[at.index(places.len())];
        if !insert {
            text.remove(at);
        }
        if let Some(byte) = byte {
            text.insert_str(at, &byte);
        }
        read_twice(&text);
    }
}
