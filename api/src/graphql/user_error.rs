//! What staff can put right, as data. Each mutation has its own payload, its own kind of error and
//! its own codes; one macro declares the three.

use async_graphql::Interface;

/// Declares `…Payload`, `…UserError` and `…ErrorCode` of a mutation.
macro_rules! payload {
    (
        $mutation:literal, $payload:ident, $error:ident, $code:ident;
        $($(#[$field_meta:meta])* $field:ident: $type:ty,)+
        ;
        $($(#[$code_meta:meta])* $variant:ident,)+
    ) => {
        #[doc = concat!("What can be wrong with ", $mutation, ".")]
        #[derive(async_graphql::Enum, Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $code { $($(#[$code_meta])* $variant,)+ }

        #[doc = concat!("A problem with ", $mutation, " that the caller can put right.")]
        #[derive(async_graphql::SimpleObject, Debug, Clone)]
        pub struct $error {
            /// What is wrong, for code.
            pub code: $code,
            /// Input field that is wrong: its dotted path inside input, or the key of a form value.
            /// Null when no single field is.
            pub field: Option<String>,
            /// One sentence for staff, to be shown as it is.
            pub message: String,
        }

        #[doc = concat!("Answer of ", $mutation, ".")]
        #[derive(async_graphql::SimpleObject, Default)]
        pub struct $payload {
            $($(#[$field_meta])* pub $field: Option<$type>,)+
            /// What the caller can put right. Empty when it worked.
            pub user_errors: Vec<$error>,
        }

        impl $payload {
            fn refused(code: $code, field: Option<&str>, message: impl Into<String>) -> Self {
                Self {
                    user_errors: vec![$error {
                        code,
                        field: field.map(str::to_owned),
                        message: message.into(),
                    }],
                    ..Self::default()
                }
            }
        }
    };
}
pub(crate) use payload;

use super::device::{DeviceInstallUserError, DeviceRemoveUserError};
use super::explain::ReservationFetchUserError;
use super::integration::{
    IntegrationConnectUserError, IntegrationDisconnectUserError, IntegrationReconnectUserError,
    IntegrationValidateUserError,
};
use super::job::JobRetryUserError;
use super::keychain::{DevicePinRetryUserError, PinPushRetryUserError, PinRevealUserError};
use super::mode::{PropertyEnterSetupUserError, PropertyGoLiveUserError};
use super::plan::{PlanApplyUserError, PlanCreateUserError};
use super::policy::PolicyUpdateUserError;
use super::problem::ProblemDismissUserError;
use super::reservation::{ReservationEraseUserError, ReservationRefreshUserError};
use super::revoke::{KeychainReinstateUserError, KeychainRevokeUserError, PinRotateUserError};
use super::room::{RoomMapUserError, RoomUnmapUserError};
use super::space::SpaceCreateUserError;
use super::space_link::{SpaceLinkUserError, SpaceUnlinkUserError};
use super::staff_keychain::StaffKeychainCreateUserError;

/// A problem with a mutation that the caller can put right. Each mutation has its own kind, with its
/// own codes.
#[derive(Interface)]
#[graphql(
    field(
        name = "field",
        ty = "&Option<String>",
        desc = "Input field that is wrong: its dotted path inside input, or the key of a form value. Null when no single field is."
    ),
    field(
        name = "message",
        ty = "&String",
        desc = "One sentence for staff, to be shown as it is."
    )
)]
pub enum UserError {
    DeviceInstall(DeviceInstallUserError),
    DevicePinRetry(DevicePinRetryUserError),
    DeviceRemove(DeviceRemoveUserError),
    IntegrationConnect(IntegrationConnectUserError),
    IntegrationDisconnect(IntegrationDisconnectUserError),
    IntegrationReconnect(IntegrationReconnectUserError),
    IntegrationValidate(IntegrationValidateUserError),
    JobRetry(JobRetryUserError),
    KeychainReinstate(KeychainReinstateUserError),
    KeychainRevoke(KeychainRevokeUserError),
    PinPushRetry(PinPushRetryUserError),
    PinReveal(PinRevealUserError),
    PinRotate(PinRotateUserError),
    PlanApply(PlanApplyUserError),
    PlanCreate(PlanCreateUserError),
    PolicyUpdate(PolicyUpdateUserError),
    ProblemDismiss(ProblemDismissUserError),
    PropertyEnterSetup(PropertyEnterSetupUserError),
    PropertyGoLive(PropertyGoLiveUserError),
    ReservationErase(ReservationEraseUserError),
    ReservationFetch(ReservationFetchUserError),
    ReservationRefresh(ReservationRefreshUserError),
    RoomMap(RoomMapUserError),
    RoomUnmap(RoomUnmapUserError),
    SpaceCreate(SpaceCreateUserError),
    SpaceLink(SpaceLinkUserError),
    SpaceUnlink(SpaceUnlinkUserError),
    StaffKeychainCreate(StaffKeychainCreateUserError),
}
