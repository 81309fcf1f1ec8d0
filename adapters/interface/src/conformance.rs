//! The checks every adapter passes, run in its own tests against its fake.
//!
//! ```text
//! conformance::pms(async |setting| house(setting).await).await.assert();
//! ```
//!
//! Each check has a house of its own, opened by the test: an adapter, and a [`stage`](PmsStage) that
//! plays everybody else, from the hotel's staff to the network. A check fails with a reason, or does
//! not apply because of something the stage said it cannot do. What it leaves out of a check is
//! noted as well, so that a test can insist on nothing being left out.
//!
//! Checks are kept apart: what one of them is about, the others do without. An adapter with one
//! fault fails one check, and tests of the suite with broken adapters say which.

mod calls;
mod codes;
mod credentials;
mod form;
mod garble;
mod gate;
mod hooks;
mod house;
mod leaks;
mod listener;
mod model;
mod pins;
mod pull;
mod pull_window;
mod report;
mod rooms;
mod run;
mod stage;
mod stay;
mod subject;

pub use house::{House, LocksHouse, PmsHouse, Setting};
pub use report::{Outcome, Report};
pub use stage::{
    Act, Booking, Can, Cannot, Delivery, Fault, LockEntry, LocksStage, NewRoom, PinEntry, PinStage,
    PmsStage, Reply, Vendor, Wire,
};

use house::Scene;
use run::caught;

/// Runs checks one after the other, each in a new house.
macro_rules! report {
    ($open:ident: $($id:literal => $check:path,)+) => {{
        let mut report = Report::new();
        $({
            let scene = Scene::open(&$open).await;
            let outcome = caught(scene.checked($check(&scene))).await;
            report.note($id, outcome, scene.left_out());
        })+
        report
    }};
}

/// Checks a PMS adapter. `open` makes an empty house: no rooms, no reservations.
pub async fn pms(open: impl AsyncFn(Setting) -> PmsHouse) -> Report {
    report! { open:
        "FORM-1" => form::form_1,
        "CRED-1" => credentials::cred_1,
        "CRED-2" => credentials::cred_2,
        "CRED-3" => credentials::cred_3,
        "ROOM-1" => rooms::room_1,
        "PULL-1" => pull::pull_1,
        "PULL-2" => pull::pull_2,
        "PULL-3" => pull::pull_3,
        "PULL-4" => pull::pull_4,
        "PULL-5" => pull_window::pull_5,
        "STAY-1" => stay::stay_1,
        "PIN-1" => pins::pin_1,
        "PIN-2" => pins::pin_2,
        "PIN-3" => pins::pin_3,
        "PIN-4" => pins::pin_4,
        "HOOK-1" => hooks::hook_1,
        "CALL-1" => calls::call_1,
        "CALL-2" => calls::call_2,
        "LEAK-1" => leaks::leak_1,
    }
}

/// Checks an adapter of a vendor of locks. `open` makes a site without locks.
pub async fn locks(open: impl AsyncFn(Setting) -> LocksHouse) -> Report {
    report! { open:
        "FORM-1" => form::form_1,
        "CRED-1" => credentials::cred_1,
        "CRED-2" => credentials::cred_2,
        "CODE-1" => codes::code_1,
        "CODE-2" => codes::code_2,
        "CODE-3" => codes::code_3,
        "CODE-4" => codes::code_4,
        "CALL-1" => calls::call_1,
        "CALL-2" => calls::call_2,
        "LEAK-1" => leaks::leak_1,
    }
}
