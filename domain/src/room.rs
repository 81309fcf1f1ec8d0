//! Words about rooms of the PMS and spaces of Portal.

use crate::code::codes;

codes! {
    /// What a room of the PMS is.
    RoomKind {
        /// A room.
        Room = "ROOM",
        /// A bed in a shared room.
        Bed = "BED",
        /// A shared room.
        Dorm = "DORM",
        /// Something else a door can belong to.
        Other = "OTHER",
    }
}

codes! {
    /// What a space is for.
    SpaceKind {
        /// A place guests sleep in.
        Room = "ROOM",
        /// Shared by guests, such as an entrance or a gate.
        CommonArea = "COMMON_AREA",
        /// Something else.
        Other = "OTHER",
    }
}
