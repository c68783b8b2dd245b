//! Who may: a bearer token, and whatever else the program asks.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, HOST, HeaderValue, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::problem::{Kind, Problem};

/// The scheme, and the space behind it.
const SCHEME: &str = "bearer ";

#[derive(Clone, Default)]
pub(super) struct Guard {
    pub(super) bearers: Vec<Bearer>,
    pub(super) hooks: Vec<Hook>,
    /// Only what is asked of this machine by one of its own names is answered.
    pub(super) local: bool,
}

pub(super) type Hook = Arc<dyn Fn(&Parts) -> bool + Send + Sync>;

/// A token, by its hash: hashes are all of one length, and comparing them tells nothing of the
/// token's.
#[derive(Clone)]
pub(super) struct Bearer([u8; 32]);

impl Bearer {
    pub(super) fn new(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }
}

impl Guard {
    /// Whether it asks anything.
    pub(super) fn asks(&self) -> bool {
        !(self.bearers.is_empty() && self.hooks.is_empty())
    }

    fn check(&self, parts: &Parts) -> Result<(), Problem> {
        if self.local && !names_this_machine(parts) {
            return Err(Problem::new(
                Kind::Forbidden,
                "who asks for no token answers only requests to localhost, 127.0.0.1 or [::1], and \
                 the header Host names another",
            ));
        }
        if !self.bearers.is_empty() && !self.knows(parts) {
            return Err(Problem::new(
                Kind::Unauthorized,
                "send the header Authorization: Bearer with the token of this interface",
            ));
        }
        if self.hooks.iter().all(|allows| allows(parts)) {
            return Ok(());
        }
        Err(Problem::new(Kind::Forbidden, "this request is not allowed to you"))
    }

    fn knows(&self, parts: &Parts) -> bool {
        // With two headers one could be meant for this check and the other for a later one.
        let mut values = parts.headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return false };
        let Some((scheme, token)) = value.as_bytes().split_at_checked(SCHEME.len()) else {
            return false;
        };
        if !scheme.eq_ignore_ascii_case(SCHEME.as_bytes()) {
            return false;
        }
        // A token that was left empty by mistake lets nobody in, instead of everybody.
        if token.is_empty() {
            return false;
        }
        let token: [u8; 32] = Sha256::digest(token).into();
        // All are compared, so that the time does not tell which one it was.
        let equal = |known: &Bearer| known.0[..].ct_eq(&token[..]);
        let none = subtle::Choice::from(0);
        self.bearers.iter().map(equal).fold(none, |any, one| any | one).into()
    }
}

/// A page of the web may have its own name resolve to this machine (DNS rebinding); then a browser
/// lets it read what is answered. But the browser says that name.
fn names_this_machine(parts: &Parts) -> bool {
    let Some(host) = parts.headers.get(HOST) else { return true };
    let Ok(authority) = Authority::try_from(host.as_bytes()) else { return false };
    let name = authority.host();
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || address.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// Asks before anything of the request's body is read.
pub(super) async fn guard(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    let mut response = match guard.check(&parts) {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(problem) => {
            let challenge = problem.kind == Kind::Unauthorized;
            let mut response = problem.into_response();
            if challenge {
                let bearer = HeaderValue::from_static("Bearer");
                response.headers_mut().insert(WWW_AUTHENTICATE, bearer);
            }
            response
        }
    };
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
