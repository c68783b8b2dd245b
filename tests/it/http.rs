//! The HTTP interface: a real server and a real client, and every answer held against the document
//! that the server itself gives.

mod document;
mod lambda;
mod refusals;
mod routes;
mod server;
mod waiting;
