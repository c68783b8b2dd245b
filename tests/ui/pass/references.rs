//! What is taken by reference is the same type in the body, and the future owns a copy.

use std::path::Path;
use std::sync::Arc;

use everstep::step;

trait Mail: Send + Sync {
    fn send(&self) -> u32;
}

struct Post;

impl Mail for Post {
    fn send(&self) -> u32 {
        1
    }
}

#[step(skip(mail))]
async fn send<'a>(
    mail: &Arc<dyn Mail>,
    to: &str,
    tags: &'a [String],
    file: &Path,
    fixed: &'static str,
    kinds: &[&'static str],
    count: &u32,
    mut total: &u64,
) -> everstep::Result<u32> {
    let _: (&str, &[String], &Path, &'static str, &u32) = (to, tags, file, fixed_of(fixed), count);
    let _: &[&'static str] = kinds;
    total = if *count > 5 { &5 } else { total };
    Ok(mail.send() + u32::try_from(*total)?)
}

fn fixed_of(_: &str) -> &'static str {
    "fixed"
}

fn main() {
    let mail: Arc<dyn Mail> = Arc::new(Post);
    let sent = {
        let (to, tags) = ("customer".to_owned(), vec!["tag".to_owned()]);
        send(&mail, &to, &tags, Path::new("invoice.pdf"), "fixed", &["kind"], &5, &7)
    };
    assert_eq!(futures::executor::block_on(sent).unwrap(), 8);
}
