//! Words about a property's link to an app.

use crate::code::codes;

codes! {
    /// Kind of app.
    AppCategory {
        /// A property management system.
        Pms = "PMS",
        /// A vendor of locks.
        Lock = "LOCK",
    }
}

codes! {
    /// How an integration stands.
    IntegrationStatus {
        /// A token is saved and has no verdict yet; never connected before.
        Pending = "PENDING",
        /// The token passed the last conclusive validation. The only status that syncs and pushes.
        Connected = "CONNECTED",
        /// It was connected, and the app now refuses the token.
        Broken = "BROKEN",
        /// No token is held. The row stays for history and a later return.
        Disconnected = "DISCONNECTED",
    }
}

impl IntegrationStatus {
    /// Whether a token is held.
    pub const fn is_live(self) -> bool {
        !matches!(self, Self::Disconnected)
    }
}

codes! {
    /// Why an integration stands as it does.
    IntegrationStatusReason {
        /// The saved token turned out to belong to an account linked elsewhere.
        AccountAlreadyLinked = "ACCOUNT_ALREADY_LINKED",
        /// A person disconnected it.
        DisconnectedByStaff = "DISCONNECTED_BY_STAFF",
        /// The app has not answered about the token.
        NoVerdict = "NO_VERDICT",
        /// The saved token covers several accounts.
        PortfolioToken = "PORTFOLIO_TOKEN",
        /// The app says that the property is not active.
        PropertyUnavailable = "PROPERTY_UNAVAILABLE",
        /// The app does not accept the token.
        TokenRefused = "TOKEN_REFUSED",
        /// The saved token belongs to another account than the one linked here.
        WrongAccount = "WRONG_ACCOUNT",
    }
}

codes! {
    /// Phase of reading.
    SyncState {
        /// Reading everything for the first time.
        FirstLoad = "FIRST_LOAD",
        /// Reading what changed while the link was away.
        CatchingUp = "CATCHING_UP",
        /// Everything is read; changes follow as they come.
        Current = "CURRENT",
    }
}

codes! {
    /// Where one version of a secret is in its life.
    CredentialState {
        /// Saved, no verdict yet.
        Candidate = "CANDIDATE",
        /// In use.
        Active = "ACTIVE",
        /// Replaced or refused; the secret is erased.
        Retired = "RETIRED",
    }
}

codes! {
    /// What came out of a check of a credential.
    ValidationOutcome {
        /// The credential works.
        Valid = "VALID",
        /// The app refused it.
        Refused = "REFUSED",
        /// It works, for another account.
        WrongAccount = "WRONG_ACCOUNT",
        /// No answer that says anything about it.
        NoVerdict = "NO_VERDICT",
    }
}

codes! {
    /// Why a credential was checked.
    ValidationTrigger {
        /// Staff connected.
        Connect = "CONNECT",
        /// Staff saved a new token.
        Reconnect = "RECONNECT",
        /// It was due.
        Poll = "POLL",
        /// The app told that something changed.
        Hint = "HINT",
        /// Another call was refused.
        RefusedCall = "REFUSED_CALL",
        /// Staff asked for it.
        Staff = "STAFF",
    }
}
