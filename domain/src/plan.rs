//! Words about what a change would do.

use crate::code::codes;

codes! {
    /// What a plan can do.
    PlanOperation {
        /// Make a keychain.
        KeychainCreate = "KEYCHAIN_CREATE",
        /// End a keychain.
        KeychainEnd = "KEYCHAIN_END",
        /// Put a PIN on the locks of a door.
        DoorAdd = "DOOR_ADD",
        /// Take a PIN off the locks of a door.
        DoorRemove = "DOOR_REMOVE",
        /// Change from when until when a keychain opens.
        WindowChange = "WINDOW_CHANGE",
        /// Replace a PIN.
        PinRotate = "PIN_ROTATE",
        /// Store a PIN in the property management system, or change it there.
        PinStore = "PIN_STORE",
        /// Delete a PIN from the property management system.
        PinDelete = "PIN_DELETE",
    }
}
