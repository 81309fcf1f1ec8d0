//! Portal's background work: the queue, and one file per job.

mod account;
mod apps;
mod catch_up;
pub mod change;
pub mod checklist;
pub mod compare_pins;
pub mod deadlines;
mod effects;
mod env;
pub mod erase_guests;
pub mod explain;
mod gate;
pub mod hook;
pub mod integration;
mod job;
mod lingering;
pub mod plan;
mod program_devices;
mod push_pins;
pub mod queue;
mod reconcile_access;
pub mod retry;
pub mod revoke;
pub mod rotate;
pub mod staff_access;
pub mod sweep;
mod sync_devices;
mod sync_reservations;
mod sync_rooms;
pub mod trigger;
mod validate_integration;

pub use apps::{Adapter, Apps, Entry};
pub use compare_pins::ComparePins;
pub use env::{Chance, Env};
pub use erase_guests::EraseGuests;
pub use gate::StoreGate;
pub use job::{Code, Job, JobError, Priority, enqueue, enqueue_at, enqueue_urgent};
pub use program_devices::{ProgramDevices, READ_BACK_WITHIN};
pub use push_pins::PushPins;
pub use queue::{Drained, Registry, SetAside, Workers, drain};
pub use reconcile_access::ReconcileAccess;
pub use staff_access::StaffAccess;
pub use sync_devices::SyncDevices;
pub use sync_reservations::{SyncReservations, refresh};
pub use sync_rooms::{GONE as ROOM_GONE, SyncRooms};
pub use validate_integration::ValidateIntegration;

/// Every kind of job there is.
pub fn registry() -> Registry {
    Registry::new()
        .add::<ValidateIntegration>()
        .add::<SyncRooms>()
        .add::<SyncDevices>()
        .add::<SyncReservations>()
        .add::<ReconcileAccess>()
        .add::<StaffAccess>()
        .add::<ProgramDevices>()
        .add::<PushPins>()
        .add::<ComparePins>()
        .add::<EraseGuests>()
}
