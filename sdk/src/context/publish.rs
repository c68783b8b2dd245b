//! What a workflow shows of itself.

use std::panic::Location;

use serde::Serialize;

use super::execution::expect_current;
use crate::event::{Json, UnrecordableValue};
use crate::limits::VIEW_BYTES_MAX;
use crate::replay::{Fault, Note};

/// Shows `view` to whoever looks at the execution, without waking it: clients read it with
/// [`Client::view`](crate::Client::view), people with `everstep show`. It takes the place of the
/// one before, is seen soon after it is in the log, and stays after the end.
///
/// Publishing the value that is shown already writes nothing. A view has at most
/// [`VIEW_BYTES_MAX`] bytes as JSON; a larger one, or one that cannot be recorded, blocks the
/// execution.
///
/// ```
/// use everstep::prelude::*;
///
/// #[step]
/// async fn ship(parcel: u32) -> everstep::Result<()> {
///     println!("parcel {parcel} is on its way");
///     Ok(())
/// }
///
/// #[workflow]
/// async fn ship_all(parcels: u32) -> everstep::Result<()> {
///     for parcel in 0..parcels {
///         publish(&format!("{parcel} of {parcels} parcels are shipped"));
///         ship(parcel).await?;
///     }
///     publish("all parcels are shipped");
///     Ok(())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let backend = Backend::memory();
/// # let app = App::new().workflow(ship_all).backend(backend.clone());
/// # let client = Client::new(&backend);
/// let handle = client.start(ship_all, 3).await?;
/// # app.worker().await?.run_until(handle.result()).await??;
/// let view: Option<String> = handle.view().await?;
/// assert_eq!(view.as_deref(), Some("all parcels are shipped"));
/// # Ok(())
/// # }
/// ```
///
/// # Panics
/// Outside a workflow.
#[track_caller]
pub fn publish<V: Serialize + ?Sized>(view: &V) {
    let execution = expect_current("everstep::publish()");
    // Recording is user code: outside the lock.
    let recorded = record(view);
    let mut engine = execution.engine();
    match recorded {
        Ok(view) if engine.shows(&view) => {}
        Ok(view) => engine.call_note("view".into(), Location::caller(), Note::View(view)),
        Err(problem) => engine.fail(Fault::Value { what: "the published view".into(), problem }),
    }
}

fn record<V: Serialize + ?Sized>(view: &V) -> Result<Json, String> {
    let json = Json::record(view).map_err(|UnrecordableValue(problem)| problem)?;
    let bytes = json.as_str().len();
    if bytes > VIEW_BYTES_MAX {
        return Err(format!(
            "it has {bytes} bytes and at most {VIEW_BYTES_MAX} can be shown: store it elsewhere \
             (S3) and publish where it is"
        ));
    }
    Ok(json)
}
