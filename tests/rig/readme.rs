//! The session on AWS that README.md shows, on the services of the rig.

use everstep_tests::dynamodb::{DynamoDb, REGION};
use everstep_tests::ministack::Ministack;
use everstep_tests::order::OrderFolder;
use everstep_tests::readme::run_session;

#[tokio::test(flavor = "multi_thread")]
async fn the_session_on_aws_of_the_readme_prints_what_it_says() {
    let (db, rig) = (DynamoDb::start(), Ministack::start().await);
    let folder = OrderFolder::new(&[
        ("AWS_ENDPOINT_URL_DYNAMODB", db.url()),
        ("AWS_ENDPOINT_URL_SQS", rig.url()),
        ("AWS_REGION", REGION),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ]);
    tokio::task::spawn_blocking(move || {
        run_session(include_str!("../../README.md"), "aws", &folder);
    })
    .await
    .unwrap();
}
