//! Adapters of the virtual locks with one fault each, and the check that finds it.

use crate::stage::{self, Stage};
use async_trait::async_trait;
use portal_interface::conformance::{self, Setting};
use portal_interface::{
    Account, AdapterError, App, Code, Device, ExposeSecret, Held, HeldCode, Locks, Opens, Refusal,
    VendorId,
};
use std::sync::Arc;

/// What is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Nothing,
    /// The vendor's trouble counts against the credentials.
    BlamesCredentials,
    /// What is right is written again.
    WritesAgain,
    /// Digits are numbers.
    DigitsAreNumbers,
    /// A code that was refused counts as set.
    HidesRefusal,
    /// One refused code keeps all others back.
    GivesUpAtRefusal,
    /// What was lost on the way back counts as done.
    BelievesLost,
    /// Codes of others go.
    DeletesOthers,
    /// A code that is there is right.
    ComparesNothing,
    /// The digits stand in an error.
    TellsDigits,
}

struct Mutant {
    fault: Fault,
    good: Box<dyn Locks>,
    stage: Arc<Stage>,
}

/// The checks an adapter with that fault fails.
async fn failed(fault: Fault) -> Vec<&'static str> {
    let open = async |setting: Setting| {
        let (stage, house) = stage::house(setting).await;
        house.wrapped(move |good| {
            let stage = stage.clone();
            Box::new(Mutant { fault, good, stage })
        })
    };
    let report = conformance::locks(open).await;
    println!("{report}");
    report.failed()
}

#[tokio::test]
async fn each_fault_is_found_by_its_check_and_no_other() {
    for (fault, check) in [
        (Fault::BlamesCredentials, "CRED-2"),
        (Fault::WritesAgain, "CODE-1"),
        (Fault::DigitsAreNumbers, "CODE-2"),
        (Fault::HidesRefusal, "CODE-2"),
        (Fault::GivesUpAtRefusal, "CODE-2"),
        (Fault::BelievesLost, "CODE-3"),
        (Fault::DeletesOthers, "CODE-4"),
        (Fault::ComparesNothing, "CODE-4"),
        (Fault::TellsDigits, "LEAK-1"),
    ] {
        assert_eq!(failed(fault).await, [check], "{fault:?}");
    }
    assert_eq!(failed(Fault::Nothing).await, Vec::<&str>::new());
}

#[async_trait]
impl Locks for Mutant {
    fn app(&self) -> &'static App {
        self.good.app()
    }

    async fn validate(&self, account: &Account) -> Result<Opens, AdapterError> {
        match self.good.validate(account).await {
            Err(AdapterError::Declined { .. }) if self.fault == Fault::BlamesCredentials => {
                Err(AdapterError::Unauthorized)
            }
            answer => answer,
        }
    }

    async fn devices(&self, account: &Account) -> Result<Vec<Device>, AdapterError> {
        self.good.devices(account).await
    }

    async fn put_codes(
        &self,
        account: &Account,
        device: &VendorId,
        want: &[Code],
    ) -> Result<Vec<HeldCode>, AdapterError> {
        match self.fault {
            Fault::WritesAgain => {
                let held = self.good.check_codes(account, device, want).await?;
                if !held.is_empty() && held.iter().all(|held| held.is == Held::Confirmed) {
                    self.good.put_codes(account, device, &[]).await?;
                }
            }
            Fault::DigitsAreNumbers => {
                let want: Vec<Code> = want.iter().map(as_number).collect();
                return self.good.put_codes(account, device, &want).await;
            }
            Fault::DeletesOthers => {
                for code in self.stage.fake.codes(device.as_str()) {
                    if !code.label.starts_with("portal:") {
                        self.stage.fake.drop_code(device.as_str(), &code.label);
                    }
                }
            }
            _ => {}
        }
        let put = self.good.put_codes(account, device, want).await;
        match (self.fault, put) {
            (Fault::HidesRefusal, Ok(mut held)) => {
                for held in &mut held {
                    if matches!(held.is, Held::Refused(_)) {
                        held.is = Held::Accepted;
                    }
                }
                Ok(held)
            }
            (Fault::GivesUpAtRefusal, Ok(held)) => {
                let refused = |held: &HeldCode| held.is == Held::Refused(Refusal::Code);
                if held.iter().any(refused) {
                    return Err(AdapterError::Declined { said: None });
                }
                Ok(held)
            }
            (Fault::BelievesLost, Err(AdapterError::Unreachable(_)))
                if account.seen.last().is_some_and(|(status, _)| status < 300) =>
            {
                let held = want.iter().map(|code| HeldCode {
                    mark: code.mark.clone(),
                    id: None,
                    is: Held::Accepted,
                });
                Ok(held.collect())
            }
            (Fault::TellsDigits, Err(AdapterError::Unreadable { at })) if at == "codes" => {
                let digits = want.iter().map(|code| code.pin.expose_secret());
                let digits: Vec<&str> = digits.collect();
                let at = format!("{at} beside {}", digits.join(" "));
                Err(AdapterError::Unreadable { at })
            }
            (_, put) => put,
        }
    }

    async fn check_codes(
        &self,
        account: &Account,
        device: &VendorId,
        want: &[Code],
    ) -> Result<Vec<HeldCode>, AdapterError> {
        if self.fault == Fault::DigitsAreNumbers {
            let want: Vec<Code> = want.iter().map(as_number).collect();
            return self.good.check_codes(account, device, &want).await;
        }
        let mut held = self.good.check_codes(account, device, want).await?;
        for held in &mut held {
            if self.fault == Fault::ComparesNothing && held.is == Held::Differs {
                held.is = Held::Confirmed;
            }
        }
        Ok(held)
    }
}

fn as_number(code: &Code) -> Code {
    let digits = code.pin.expose_secret().trim_start_matches('0');
    Code {
        mark: code.mark.clone(),
        pin: digits.into(),
        from: code.from,
        until: code.until,
    }
}
