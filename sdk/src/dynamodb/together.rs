//! A step that returns its writes: they are one transaction with the event that has its result.

use std::future::Future;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::TransactError;
use super::markers::Markers;
use super::run::transact;
use super::transact::Transact;
use crate::aws::WithCommit;
use crate::context::{
    Over, Recorded, StepOutput, WritesGo, completed, failed, read_back, writes_go,
};
use crate::limits::TRANSACT_WRITES_MAX;
use crate::replay::{Attempt, Together};
use crate::store::{Refusal, Writes};

/// What the marker of a step's returned writes is called, among those of its body's own.
const PART: &str = "returned";

impl<T, E> StepOutput<E> for Transact<T>
where
    T: Recorded + Serialize + DeserializeOwned,
    E: Recorded + From<TransactError>,
{
    type Value = T;

    async fn attempt<F, Fut>(body: F, retry_if: Option<fn(&E) -> bool>) -> Over
    where
        F: FnOnce() -> Fut + Send,
        Fut: Future<Output = Result<Self, E>> + Send,
    {
        let result = match writes_go() {
            WritesGo::WithTheEvent => match body().await {
                Ok(wanted) => match wanted.together(retry_if) {
                    Ok(together) => return Over(Attempt::Together(together)),
                    Err(error) => Err(error.into()),
                },
                Err(error) => Err(error),
            },
            WritesGo::Elsewhere(states) => match states.find::<Markers>() {
                Some(markers) => transact(&markers, body).part(PART).await,
                None => Err(TransactError::OtherLog.into()),
            },
            WritesGo::Nowhere => Err(TransactError::OutsideStep.into()),
        };
        Over(match result {
            Ok(value) => completed::<T>(&value),
            Err(error) => failed::<E>(&error, retry_if),
        })
    }

    async fn plain<F, Fut>(_body: F) -> Result<T, E>
    where
        F: FnOnce() -> Fut + Send,
        Fut: Future<Output = Result<Self, E>> + Send,
    {
        Err(TransactError::OutsideStep.into())
    }
}

impl<T: Recorded> Transact<T> {
    /// What the turn writes.
    fn together<E: Recorded + From<TransactError>>(
        self,
        retry_if: Option<fn(&E) -> bool>,
    ) -> Result<Together, TransactError> {
        let Self { result, names, writes } = self;
        if writes.len() > TRANSACT_WRITES_MAX {
            return Err(TransactError::TooMany { count: writes.len(), most: TRANSACT_WRITES_MAX });
        }
        let (_, output) =
            read_back(&result).map_err(|message| TransactError::Unrecordable { message })?;
        let refused = move |refusal| failed::<E>(&refused_by(refusal, &names).into(), retry_if);
        let writes = Writes::new(WithCommit(writes));
        Ok(Together { output, writes, refused: Box::new(refused) })
    }
}

fn refused_by(refusal: Refusal, names: &[String]) -> TransactError {
    match refusal {
        Refusal::Conditions(places) => {
            let named = |place: usize| names.get(place).cloned();
            TransactError::Refused { writes: places.into_iter().filter_map(named).collect() }
        }
        Refusal::Unavailable(message) => TransactError::Unavailable { message },
        Refusal::Invalid(message) => TransactError::Invalid { message },
        Refusal::NotTaken => TransactError::OtherLog,
    }
}
