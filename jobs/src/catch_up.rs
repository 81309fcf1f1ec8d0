//! After a time away: what changed is read from the kept cursor, then all stays once more.

use crate::Env;
use chrono::Duration;
use portal_store::cursor::{self, Stream, SyncCursor};
use portal_store::integration::Integration;
use portal_store::{DbError, Tx, property};

/// All stays from yesterday to the horizon shall be read once.
pub(crate) async fn begin(tx: &mut Tx, env: &Env, link: &Integration) -> Result<(), DbError> {
    let now = env.now();
    let property = property::by_id(tx, link.property_id).await?;
    let horizon = property.map_or(Duration::days(365), |property| property.policy().horizon());
    let mut window = SyncCursor::new(link.property_id, link.id, Stream::Window, now.into());
    window.window_from = Some((now - Duration::days(1)).into());
    window.window_to = Some((now + horizon).into());
    cursor::put(tx, &window).await?;
    Ok(())
}
