//! TLS, as ElastiCache has it: a certificate of an authority that the host trusts.

use std::path::Path;
use std::process::Command;

use everstep::limiter::RedisLimiter;
use everstep_tests::nobody::give_to_nobody;
use everstep_tests::redis::Redis;

use super::hosts::host;

fn openssl(folder: &Path, arguments: &str) {
    let made = Command::new("openssl").current_dir(folder).args(arguments.split(' ')).output();
    let made = made.expect("openssl (Debian: apt-get install openssl)");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limiter_reaches_redis_over_tls_and_trusts_only_whom_the_system_trusts() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("host.ext"),
        "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n",
    )
    .unwrap();
    let ec = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(
        folder.path(),
        &format!("req -x509 {ec} -keyout ca.key -out ca.pem -days 2 -subj /CN=test"),
    );
    openssl(folder.path(), &format!("req {ec} -keyout host.key -out host.csr -subj /CN=localhost"));
    openssl(
        folder.path(),
        "x509 -req -in host.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile host.ext -out host.pem",
    );
    // The server reads them, and where this is root that is nobody.
    give_to_nobody(folder.path());
    for name in ["host.pem", "host.key", "ca.pem"] {
        give_to_nobody(&folder.path().join(name));
    }
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (cert, key, authority) = (path("host.pem"), path("host.key"), path("ca.pem"));
    let redis = Redis::start_with(&[
        "--save",
        "",
        "--tls-auth-clients",
        "no",
        "--tls-port",
        "0",
        "--tls-cert-file",
        &cert,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &authority,
    ])
    .await;
    // Its one port speaks TLS from here on.
    let tls = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    redis.command(&["CONFIG", "SET", "tls-port", &tls.to_string()]).await;
    let url = format!("rediss://localhost:{tls}");

    let error = RedisLimiter::connect(&url).await.unwrap_err();
    assert!(format!("{error:?}").contains("UnknownIssuer"), "{error:?}");

    // What the system trusts is read once by a process, and looked for there first.
    let trusting = host("tls", &url).env("SSL_CERT_FILE", &authority).status().unwrap();
    assert!(trusting.success(), "a host that trusts it is let in");
}
