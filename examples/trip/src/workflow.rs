//! The saga: four bookings, each with its undo.

use std::fmt;

use clap::ValueEnum;
use everstep::prelude::*;
use serde::{Deserialize, Serialize};

use crate::world::{World, WorldError};

/// Books all of a trip, or nothing of it.
#[workflow]
pub async fn book_trip(State(world): State<World>, trip: Trip) -> Result<Vec<Booking>, TripError> {
    let flight = book_flight(&world, &trip).await?;
    let hotel = book_hotel(&world, &trip).await?;
    let (car, concert) = tokio::join!(book_car(&world, &trip), book_concert(&world, &trip));
    Ok(vec![flight, hotel, car?, concert?])
}

/// A seat there and back.
#[step(skip(world), undo = release, undo_retry(max_attempts = 3, initial = "200ms"), retry_if = TripError::is_transient)]
pub async fn book_flight(world: &World, trip: &Trip) -> Result<Booking, TripError> {
    book(world, trip, Service::Flight).await
}

/// A room.
#[step(skip(world), undo = release, undo_retry(max_attempts = 3, initial = "200ms"), retry_if = TripError::is_transient)]
pub async fn book_hotel(world: &World, trip: &Trip) -> Result<Booking, TripError> {
    book(world, trip, Service::Hotel).await
}

/// A small one.
#[step(skip(world), undo = release, undo_retry(max_attempts = 3, initial = "200ms"), retry_if = TripError::is_transient)]
pub async fn book_car(world: &World, trip: &Trip) -> Result<Booking, TripError> {
    book(world, trip, Service::Car).await
}

/// What one travels for.
#[step(skip(world), undo = release, undo_retry(max_attempts = 3, initial = "200ms"), retry_if = TripError::is_transient)]
pub async fn book_concert(world: &World, trip: &Trip) -> Result<Booking, TripError> {
    book(world, trip, Service::Concert).await
}

async fn book(world: &World, trip: &Trip, service: Service) -> Result<Booking, TripError> {
    if trip.sold_out == Some(service) {
        return Err(TripError::SoldOut(service));
    }
    Ok(Booking { service, number: world.book(&trip.traveller, service).await? })
}

/// Undoes each of them. Releasing what is released is no error: an undo may run more than once.
async fn release(world: &World, trip: &Trip, booking: &Booking) -> Result<(), TripError> {
    if trip.closed == Some(booking.service) {
        return Err(TripError::DeskClosed(booking.service));
    }
    Ok(world.release(booking.number).await?)
}

/// Who travels, and what goes wrong on the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trip {
    /// Who.
    pub traveller: String,
    /// What is sold out.
    pub sold_out: Option<Service>,
    /// Whose desk takes nothing back.
    pub closed: Option<Service>,
}

/// What is booked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    Flight,
    Hotel,
    Car,
    Concert,
}

/// A booking, by the number that the service gave it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Booking {
    /// Of what.
    pub service: Service,
    /// Its number.
    pub number: i64,
}

/// Why there is no trip.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum TripError {
    /// There is none left: it makes no sense to ask again.
    #[error("the {0} is sold out")]
    SoldOut(Service),
    /// It takes nothing back today.
    #[error("the desk of the {0} is closed")]
    DeskClosed(Service),
    /// The world did not answer.
    #[error("no answer: {0}")]
    NoAnswer(String),
}

impl TripError {
    fn is_transient(&self) -> bool {
        !matches!(self, Self::SoldOut(_))
    }
}

impl From<WorldError> for TripError {
    fn from(error: WorldError) -> Self {
        Self::NoAnswer(error.to_string())
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flight => "flight",
            Self::Hotel => "hotel",
            Self::Car => "car",
            Self::Concert => "concert",
        })
    }
}
