//! The table of markers.

use std::time::Duration;

use aws_sdk_dynamodb::types::TimeToLiveStatus;
use everstep::dynamodb::{Markers, SetupError};
use everstep::prelude::*;
use everstep::time::{Clock, Timestamp};
use everstep_tests::dynamodb::DynamoDb;
use everstep_tests::hosts::host;

use super::{SHOP, dynamo, sell_three, shop};

#[tokio::test(flavor = "multi_thread")]
async fn many_hosts_may_set_it_up_at_once_and_again() {
    let db = DynamoDb::start();
    let dynamo = dynamo(db.url()).await;
    let markers = Markers::new(&dynamo, "markers");
    for done in futures::future::join_all((0..4).map(|_| markers.setup())).await {
        done.unwrap();
    }
    markers.setup().await.unwrap();
    let told = dynamo.describe_time_to_live().table_name("markers").send().await.unwrap();
    let told = told.time_to_live_description.unwrap();
    assert_eq!(told.attribute_name(), Some("expires"));
    assert_eq!(told.time_to_live_status, Some(TimeToLiveStatus::Enabled));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_table_of_that_name_is_refused() {
    let db = DynamoDb::start();
    shop(db.url(), 0).await;
    let refused = Markers::new(&dynamo(db.url()).await, SHOP).setup().await;
    assert!(matches!(refused, Err(SetupError::OtherTable { .. })), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_marker_says_whose_it_is_and_when_it_may_go() {
    let db = DynamoDb::start();
    let week = Duration::from_secs(7 * 24 * 3_600);
    let markers = shop(db.url(), 5).await.keep(week);
    let app = App::new().workflow(sell_three).state(markers);
    let before = Clock::system().now();
    let start = async |client: &Client| {
        client.start(sell_three, "cups".to_owned()).id("three").await.unwrap()
    };
    host(app, start).await.unwrap();
    let found = dynamo(db.url()).await.scan().table_name("markers").send().await.unwrap();
    let mut steps: Vec<String> = Vec::new();
    for marker in found.items() {
        assert_eq!(marker["execution"].as_s().unwrap(), "three");
        assert_eq!(marker["run"].as_n().unwrap(), "1");
        let result = marker["result"].as_s().unwrap();
        steps.push(format!("{} {result}", marker["step"].as_s().unwrap()));
        let expires: i64 = marker["expires"].as_n().unwrap().parse().unwrap();
        let expires = Timestamp(expires * 1_000);
        assert!(expires >= before.after(week));
        assert!(expires <= Clock::system().now().after(week + Duration::from_secs(2)));
    }
    steps.sort();
    let expected =
        ["sell#1 \"a cup, cups/1\"", "sell#2 \"a cup, cups/2\"", "sell#3 \"a cup, cups/3\""];
    assert_eq!(steps, expected);
}
