//! Words about what shall be true outside Portal: PINs on locks and in the PMS.

use crate::code::codes;

codes! {
    /// How a PIN on a device stands.
    DevicePinStatus {
        /// To be put on the device.
        Waiting = "WAITING",
        /// Accepted, not confirmed yet.
        Sent = "SENT",
        /// On the device.
        Set = "SET",
        /// Refused for good; a person must act.
        Blocked = "BLOCKED",
        /// To be taken off.
        Removing = "REMOVING",
        /// The lock cannot forget it before its end.
        Residual = "RESIDUAL",
        /// Confirmed gone.
        Removed = "REMOVED",
    }
}

codes! {
    /// In what way something is known of a device.
    ConfirmationHow {
        /// The vendor accepted the request.
        Accepted = "ACCEPTED",
        /// It was read back.
        ReadBack = "READ_BACK",
        /// The device was taken out of use.
        Uninstalled = "UNINSTALLED",
        /// The validity of a code that cannot be taken off has run out.
        WindowOver = "WINDOW_OVER",
    }
}

codes! {
    /// How something read back differs from what Portal last made of it: somebody else changed it.
    Drift {
        /// It is there, but other.
        Changed = "CHANGED",
        /// It is gone.
        Missing = "MISSING",
        /// It is there again, or still, and must not be.
        Unwanted = "UNWANTED",
    }
}

codes! {
    /// How a copy in the PMS stands.
    PinPushStatus {
        /// To be stored.
        Waiting = "WAITING",
        /// Stored.
        Stored = "STORED",
        /// Declined for good; a person must act.
        Refused = "REFUSED",
        /// To be taken out.
        Removing = "REMOVING",
        /// Gone.
        Removed = "REMOVED",
    }
}

codes! {
    /// What a copy in the PMS waits for.
    PinPushWait {
        /// The main door has not accepted the PIN yet.
        Door = "DOOR",
        /// The integration is not connected.
        Integration = "INTEGRATION",
        /// The connection may not store PINs.
        Permission = "PERMISSION",
        /// The next try.
        Retry = "RETRY",
    }
}

codes! {
    /// What can go wrong with a lock or the PMS.
    EffectError {
        /// The lock does not take these digits.
        CodeNotAllowed = "CODE_NOT_ALLOWED",
        /// The request was understood and declined.
        Declined = "DECLINED",
        /// No code fits on the device any more.
        DeviceFull = "DEVICE_FULL",
        /// The device cannot be reached.
        DeviceOffline = "DEVICE_OFFLINE",
        /// The connection lacks the right for this.
        Permission = "PERMISSION",
        /// Asked to slow down.
        RateLimited = "RATE_LIMITED",
        /// The credentials were refused.
        Unauthorized = "UNAUTHORIZED",
        /// No answer, or one that says nothing.
        Unreachable = "UNREACHABLE",
        /// An answer that cannot be read.
        Unreadable = "UNREADABLE",
    }
}
