//! What the integration tests share: the services they talk to, and what can go wrong on the way.

mod apart;
pub mod aws;
pub mod browser;
pub mod cloud;
pub mod dynamodb;
pub mod emf;
pub mod function;
pub mod hosts;
pub mod http;
pub mod image;
pub mod lives;
pub mod meter;
pub mod ministack;
pub mod nobody;
pub mod order;
pub mod postgres;
pub mod proxy;
pub mod readme;
pub mod record;
pub mod redis;
pub mod said;
pub mod scenario;
pub mod seed;
pub mod sim;
