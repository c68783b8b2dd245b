//! The image example as a program: its demo, killed and run again, and its server with files that
//! are no pictures.

use std::collections::BTreeSet;

use everstep_tests::image::{ImageFolder, SIZES};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;

/// The steps of one picture.
const STEPS: [&str; 6] =
    ["call_for_thumbnail", "inspect", "render", "render", "render", "tell_subscribers"];

/// The sizes that the demo's picture, 1600 by 1000, is to have.
const DIMENSIONS: [(usize, usize); 4] = [(1280, 800), (640, 400), (320, 200), (160, 160)];

/// A PNG file of 33 bytes that says it has 60,000 by 60,000 pixels.
fn bomb() -> Vec<u8> {
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut header = b"IHDR".to_vec();
    for side in [60_000_u32; 2] {
        header.extend(side.to_be_bytes());
    }
    header.extend([8, 6, 0, 0, 0]);
    let crc = crc(&header);
    file.extend(13_u32.to_be_bytes());
    file.extend(header);
    file.extend(crc.to_be_bytes());
    file
}

/// The checksum of a PNG's chunk (<https://www.w3.org/TR/png-3/#D-CRCAppendix>).
fn crc(bytes: &[u8]) -> u32 {
    let next = |crc: u32, byte: &u8| {
        let shift = |crc: u32, _| if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 };
        (0..8).fold(crc ^ u32::from(*byte), shift)
    };
    !bytes.iter().fold(u32::MAX, next)
}

/// That the renditions are there and pictures of the right sizes, that each step has one result,
/// and that subscribers were told once.
async fn check_published(folder: &ImageFolder, id: &str) {
    for (size, dimensions) in SIZES.into_iter().zip(DIMENSIONS) {
        let file = std::fs::read(folder.rendition(id, size)).unwrap();
        let mut decoder = JpegDecoder::new(ZCursor::new(&file));
        let pixels = decoder.decode().unwrap();
        assert_eq!(decoder.dimensions(), Some(dimensions), "{size}");
        assert_eq!(pixels.len(), 3 * dimensions.0 * dimensions.1, "{size}");
    }
    let mut steps: Vec<_> = folder.steps(id).await.into_iter().map(|(name, ..)| name).collect();
    steps.sort();
    assert_eq!(steps, STEPS);
    let told = folder.told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["upload"], format!("uploads/{id}"));
    assert_eq!(told[0]["renditions"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn a_demo_ends_with_renditions_of_the_right_sizes_and_makes_none_twice() {
    let folder = ImageFolder::default();
    let demo = folder.demo(&[]);
    let says = String::from_utf8(demo.stdout).unwrap();
    assert!(demo.status.success(), "{says}");
    assert!(says.contains("status: complete") && says.contains("demo.jpg is published"), "{says}");
    check_published(&folder, "demo.jpg").await;
    let attempts: Vec<u32> = folder.steps("demo.jpg").await.into_iter().map(|it| it.1).collect();
    assert_eq!(attempts, [1; 6]);

    let files = folder.files("demo.jpg");
    let again = folder.demo(&[]);
    let says = String::from_utf8(again.stdout).unwrap();
    assert!(again.status.success() && says.contains("is done already"), "{says}");
    assert_eq!(folder.files("demo.jpg"), files, "nothing was made again");
    check_published(&folder, "demo.jpg").await;
}

async fn check_crash(crash_after: &str) {
    let folder = ImageFolder::default();
    let crashed = folder.demo(&["--crash-after", crash_after]);
    let says = String::from_utf8(crashed.stdout).unwrap();
    assert!(!crashed.status.success(), "it was to crash after {crash_after}: {says}");
    let files = folder.files("demo.jpg");
    let steps = folder.steps("demo.jpg").await;
    // The names of the renditions that are in the log.
    let of = |output: &Value| output["size"].as_str().map(str::to_owned);
    let made: BTreeSet<String> = steps.iter().filter_map(|(_, _, output)| of(output)).collect();
    assert!(!steps.is_empty() && steps.len() <= 6, "{steps:?}");

    let again = folder.demo(&["--crash-after", crash_after]);
    let says = String::from_utf8(again.stdout).unwrap();
    let waits_again = !says.contains("demo.jpg is published");
    // Of three steps of one name only the first can crash it for a second time, and so on.
    let says = if waits_again {
        let last = folder.demo(&[]);
        String::from_utf8(last.stdout).unwrap()
    } else {
        says
    };
    assert!(says.contains("demo.jpg is published"), "{says}");
    check_published(&folder, "demo.jpg").await;
    let now = folder.files("demo.jpg");
    for (size, file) in files {
        if made.contains(size) {
            assert_eq!(now[size], file, "{size} was in the log and was made again");
        }
    }
}

#[tokio::test]
async fn after_a_crash_behind_the_look_at_the_upload_it_goes_on() {
    check_crash("inspect").await;
}

#[tokio::test]
async fn after_a_crash_behind_a_rendition_it_goes_on() {
    check_crash("render").await;
}

#[tokio::test]
async fn after_a_crash_behind_the_other_function_s_reply_it_goes_on() {
    check_crash("thumbnail").await;
}

#[tokio::test]
async fn after_a_crash_behind_the_word_to_the_subscribers_they_are_not_told_again() {
    check_crash("tell").await;
}

#[tokio::test]
async fn a_demo_of_what_is_no_picture_fails_and_says_why() {
    let folder = ImageFolder::default();
    std::fs::write(folder.path().join("notes.txt"), "no picture").unwrap();
    let demo = folder.demo(&["--file", "notes.txt", "--name", "notes.txt"]);
    assert!(!demo.status.success());
    let says = String::from_utf8(demo.stdout).unwrap();
    assert!(says.contains("status: failed: this file is no picture"), "{says}");
    assert!(folder.files("notes.txt").is_empty() && folder.told().is_empty());
}

#[tokio::test]
async fn what_is_no_picture_fails_at_once_with_a_sentence_and_is_tried_once() {
    let folder = ImageFolder::default();
    let server = folder.serve();
    for (name, file, says) in [
        ("notes.txt", b"no picture".to_vec(), "this file is no picture"),
        ("bomb.png", bomb(), "this picture has 60000 x 60000 pixels, and 25000000 are the most"),
        // The largest that the page takes.
        ("large.txt", vec![b'x'; 4_000_000], "this file is no picture"),
        ("cut.jpg", b"\xff\xd8\xff\xe0".to_vec(), "this picture is damaged"),
    ] {
        let (id, view) = server.upload(name, file).await;
        assert_eq!(view["status"], "failed", "{name}");
        let reason = view["reason"].as_str().unwrap();
        assert!(reason.starts_with(says), "{name}: {reason}");
        let steps = folder.steps(&id).await;
        assert_eq!(steps, [("inspect".to_owned(), 1, Value::Null)], "{name}");
    }
    assert!(folder.told().is_empty());
}

#[tokio::test]
async fn what_cannot_be_an_upload_is_refused_with_a_problem_and_stores_nothing() {
    let folder = ImageFolder::default();
    let server = folder.serve();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let refused = async |method: Method, path: &str, body: Vec<u8>| {
        let url = format!("{}{path}", server.url);
        let answer = http.request(method, url).body(body).send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{path}");
        let status = answer.status();
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["status"], status.as_u16(), "{problem}");
        (status.as_u16(), problem["type"].as_str().unwrap().rsplit(':').next().unwrap().to_owned())
    };
    let is = |status: u16, name: &str| (status, name.to_owned());
    let large = vec![b'x'; 4_000_001];
    assert_eq!(refused(Method::PUT, "uploads/a.png", large).await, is(413, "too-large"));
    assert_eq!(refused(Method::PUT, "uploads/a.png", Vec::new()).await, is(400, "empty"));
    for name in ["%20", "a%0Ab", &"n".repeat(121)] {
        let path = format!("uploads/{name}");
        assert_eq!(refused(Method::PUT, &path, vec![1]).await, is(400, "invalid-name"), "{name}");
    }
    for key in ["..%2F..%2Feverstep.db", "a%2F..%2F..%2Fuploads", "%2Fetc%2Fpasswd"] {
        let path = format!("renditions/{key}");
        assert_eq!(refused(Method::GET, &path, vec![]).await, is(400, "invalid-name"), "{key}");
    }
    assert_eq!(refused(Method::GET, "renditions/a/b.jpg", vec![]).await, is(404, "not-found"));
    assert_eq!(refused(Method::GET, "uploads/a.png", vec![]).await, is(405, "method-not-allowed"));
    assert!(!folder.path().join("image-data").exists());

    // What a page of another site could do in a browser of this machine.
    let foreign = http.put(format!("{}uploads/a.png", server.url)).body("x");
    let foreign = foreign.header("host", "pictures.example").send().await.unwrap();
    assert_eq!(foreign.status(), StatusCode::FORBIDDEN);
}

/// As S3 tells of every object, also if nobody was there when it came.
#[tokio::test]
async fn an_upload_that_arrived_before_its_process_died_is_found_by_the_next() {
    let folder = ImageFolder::default();
    let picture = folder.demo(&["--crash-after", "inspect"]);
    assert!(!picture.status.success());
    let uploads = folder.path().join("image-data/uploads");
    std::fs::copy(uploads.join("demo.jpg"), uploads.join("other.jpg")).unwrap();
    // No execution can have such an id. That keeps nobody from the others.
    std::fs::write(uploads.join(" padded.jpg"), "x").unwrap();
    let server = folder.serve();
    for id in ["demo.jpg", "other.jpg"] {
        let view = server.ended(id).await;
        assert_eq!(view["status"], json!("complete"), "{view}");
    }
    assert_eq!(folder.files("other.jpg").len(), 4);
}

/// The example's template has a table of its own, which is to be everybody's.
#[test]
fn the_template_has_the_table_of_every_program() {
    let table = |template: &str| -> Vec<String> {
        let lines = template.lines().skip_while(|line| *line != "  Table:").skip(1);
        let lines = lines.take_while(|line| line.starts_with("   ") || line.is_empty());
        let lines = lines.filter(|line| !line.is_empty() && !line.trim().starts_with('#'));
        lines.map(str::to_owned).collect()
    };
    let ours = table(include_str!("../../examples/image/template.yaml"));
    assert!(ours.len() > 30, "{ours:?}");
    assert_eq!(ours, table(include_str!("../../docs/deploy/template.yaml")));
}
