//! The page of the image example in a browser: a picture is chosen, and its renditions are seen.

use everstep_tests::browser::Browser;
use everstep_tests::image::ImageFolder;
use serde_json::{Value, json};

/// Waits until every picture is loaded, and says how large the browser finds each.
const PICTURES: &str = "return Promise.all([...document.images].map(image =>
    image.decode().then(() => [image.naturalWidth, image.naturalHeight])))";

/// The picture of the demo, as it paints it, as a file of this name.
fn picture(folder: &ImageFolder, name: &str) -> std::path::PathBuf {
    let demo = ImageFolder::default();
    assert!(demo.demo(&[]).status.success());
    let file = folder.path().join(name);
    std::fs::copy(demo.path().join("image-data/uploads/demo.jpg"), &file).unwrap();
    file
}

#[tokio::test]
async fn a_picture_is_uploaded_and_seen_and_still_there_after_a_reload_and_a_restart() {
    let folder = ImageFolder::default();
    let server = folder.serve();
    let browser = Browser::start().await;
    browser.open(&server.url).await;
    browser.choose("#file", &picture(&folder, "evening & co.jpg")).await;

    let status = browser.text("[data-status=complete] .status").await;
    assert_eq!(status, "Complete (1600 × 1000 pixels)");
    assert_eq!(browser.text("[data-status=complete] h2").await, "evening & co.jpg");
    let seen = json!([[1280, 800], [640, 400], [320, 200], [160, 160]]);
    assert_eq!(browser.run(PICTURES).await, seen);
    let alt = browser.run("return document.images[3].alt").await;
    assert_eq!(alt, "evening & co.jpg, thumbnail");

    browser.reload().await;
    browser.text("[data-status=complete] .status").await;
    assert_eq!(browser.run(PICTURES).await, seen);
    assert_eq!(browser.complaints().await, [""; 0]);

    // Another process, at another address: what was made is in the log and in the folder.
    drop(server);
    let server = folder.serve();
    let uploads = browser.run("return location.hash").await;
    browser.open(&format!("{}{}", server.url, uploads.as_str().unwrap())).await;
    browser.text("[data-status=complete] .status").await;
    assert_eq!(browser.run(PICTURES).await, seen);
}

#[tokio::test]
async fn what_is_no_picture_is_said_in_a_sentence_and_a_name_is_only_a_text() {
    let folder = ImageFolder::default();
    let server = folder.serve();
    let browser = Browser::start().await;
    browser.open(&server.url).await;
    let name = "<img src=x onerror=document.title='caught'>.png";
    let file = folder.path().join(name);
    std::fs::write(&file, "no picture").unwrap();
    browser.choose("#file", &file).await;
    let status = browser.text("[data-status=failed] .status").await;
    assert_eq!(status, "This file is no picture: only JPEG and PNG are known.");
    assert_eq!(browser.text("h2").await, name);

    // And the name as it comes back from the page's address.
    browser.reload().await;
    browser.text("[data-status=failed] .status").await;
    assert_eq!(browser.text("h2").await, name);
    let nothing = browser.run("return [document.images.length, document.title]").await;
    assert_eq!(nothing, json!([0, "Pictures"]));

    // A file that is too large is not even sent.
    let file = folder.path().join("large.png");
    std::fs::File::create(&file).unwrap().set_len(4_000_001).unwrap();
    browser.choose("#file", &file).await;
    browser.run("document.querySelectorAll('.upload')[1].remove()").await;
    let status = browser.text("[data-status=failed] .status").await;
    assert_eq!(status, "This file is too large: 4 MB are the most.");
    assert_eq!(browser.complaints().await, [""; 0]);
}

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere_and_is_as_wide_as_a_telephone() {
    let folder = ImageFolder::default();
    let server = folder.serve();
    let browser = Browser::start().await;
    let screen = json!({ "width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": true });
    let narrow = json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": screen });
    browser.ask(reqwest::Method::POST, "/goog/cdp/execute", &narrow).await;
    browser.open(&server.url).await;
    browser.choose("#file", &picture(&folder, "evening.jpg")).await;
    browser.text("[data-status=complete] .status").await;
    browser.run(PICTURES).await;
    let loaded = browser.run("return performance.getEntriesByType('resource').map(it => it.name)");
    for url in loaded.await.as_array().unwrap().iter().filter_map(Value::as_str) {
        assert!(url.starts_with(&server.url), "{url}");
    }
    let wider = "return document.documentElement.scrollWidth - innerWidth";
    assert!(browser.run(wider).await.as_i64().unwrap() <= 0, "nothing is cut off at the side");
    assert_eq!(browser.run("return innerWidth").await, 360);
    let lacks = browser.run(
        "return [...document.images].filter(it => !it.alt).length
            + [...document.querySelectorAll('input')].filter(it => !it.labels.length).length",
    );
    assert_eq!(lacks.await, 0, "everything has a name for who does not see it");
    assert_eq!(browser.complaints().await, [""; 0]);
}
