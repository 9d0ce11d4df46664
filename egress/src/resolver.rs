//! Names become vetted addresses.
//!
//! The HTTP library asks this resolver for every name that it is about to dial, and dials
//! what it gets and nothing else: there is no second look-up in which the answer could change
//! (DNS rebinding). One denied answer rejects the whole name, because whoever mixes public and
//! internal addresses under one name is waiting for the library to fall back to the second.
//!
//! It deliberately keeps no cache: connections are pooled, so look-ups are rare, and a cached
//! verdict would outlive the answer. An address literal never gets here; the client judges it
//! before it dials.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::EgressPolicy;
use crate::policy::AddressSource;

tokio::task_local! {
    /// The port of the running attempt. The library hands the resolver a name alone, and the
    /// own addresses are denied by address *and* port. It starts each dial within the task of
    /// the attempt that needs it; a dial from anywhere else finds no port and is denied.
    static DIALLED_PORT: u16;
}

/// Runs one attempt with the port that its dials are judged by.
pub(crate) async fn with_dialled_port<F: Future>(port: u16, attempt: F) -> F::Output {
    DIALLED_PORT.scope(port, attempt).await
}

/// Asks for a name's addresses.
pub(crate) trait Lookup: Send + Sync + 'static {
    /// All addresses of the name, judged by nobody yet.
    fn addresses_of(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The operating system's resolver (`getaddrinfo`), with its hosts file and search rules.
pub(crate) struct SystemLookup;

impl Lookup for SystemLookup {
    fn addresses_of(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let answers = tokio::net::lookup_host((name, 0)).await?;
            Ok(answers.map(|answer| answer.ip()).collect())
        })
    }
}

/// Why a name is not dialled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResolveError {
    /// At least one of its addresses is denied. Which, and why, is not the receiver's to know.
    #[error("an address of the host name is denied by the egress policy")]
    Denied,
    /// The look-up failed.
    #[error("look up host name")]
    Lookup(#[source] io::Error),
    /// The look-up found nothing.
    #[error("the host name has no address")]
    NoAddress,
    /// The library dialled in a task that is no attempt's.
    #[error("dialled outside of an attempt")]
    OutsideAttempt,
}

/// Resolves names for the HTTP library, under a policy.
pub(crate) struct VettingResolver {
    policy: Arc<EgressPolicy>,
    lookup: Arc<dyn Lookup>,
}

impl VettingResolver {
    pub(crate) fn new(policy: Arc<EgressPolicy>, lookup: Arc<dyn Lookup>) -> Self {
        Self { policy, lookup }
    }
}

impl Resolve for VettingResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = Arc::clone(&self.policy);
        let lookup = Arc::clone(&self.lookup);
        // Read before the future exists: whatever polls it later, this is the attempt's task.
        let port = DIALLED_PORT.try_with(|port| *port);
        Box::pin(async move {
            let port = port.map_err(|_| ResolveError::OutsideAttempt)?;
            let vetted = vetted_addresses(&policy, &*lookup, name.as_str(), port).await?;
            // Port 0 lets the library fill in the URL's.
            let addresses = vetted.into_iter().map(|ip| SocketAddr::new(ip, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}

async fn vetted_addresses(
    policy: &EgressPolicy,
    lookup: &dyn Lookup,
    name: &str,
    port: u16,
) -> Result<Vec<IpAddr>, ResolveError> {
    let answers = lookup.addresses_of(name.to_owned()).await.map_err(ResolveError::Lookup)?;
    if answers.is_empty() {
        return Err(ResolveError::NoAddress);
    }
    for ip in &answers {
        let address = SocketAddr::new(*ip, port);
        if let Err(denial) = policy.judge_address(address, AddressSource::Name(name)) {
            tracing::debug!(host = name, %address, %denial, "host name rejected");
            return Err(ResolveError::Denied);
        }
    }
    Ok(answers)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::EgressRules;

    /// Answers every name with the same addresses.
    pub(crate) struct Answers(pub(crate) Vec<IpAddr>);

    impl Answers {
        pub(crate) fn of(addresses: &[&str]) -> Self {
            Self(addresses.iter().map(|address| address.parse().unwrap()).collect())
        }
    }

    impl Lookup for Answers {
        fn addresses_of(&self, _: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
            let answers = self.0.clone();
            Box::pin(async { Ok(answers) })
        }
    }

    async fn resolve(
        rules: EgressRules,
        answers: &[&str],
        port: u16,
    ) -> Result<Vec<String>, ResolveError> {
        let policy = EgressPolicy::new(rules);
        let vetted =
            vetted_addresses(&policy, &Answers::of(answers), "hooks.example.com", port).await?;
        Ok(vetted.iter().map(IpAddr::to_string).collect())
    }

    #[tokio::test]
    async fn public_answers_are_handed_on_in_their_order() {
        let answers = ["2606:4700::1111", "1.1.1.1"];
        let vetted = resolve(EgressRules::default(), &answers, 443).await.unwrap();
        assert_eq!(vetted, answers);
    }

    #[tokio::test]
    async fn one_denied_answer_rejects_the_whole_name() {
        for answers in [
            &["127.0.0.1"][..],
            &["1.1.1.1", "10.0.0.1"],
            &["169.254.169.254", "1.1.1.1"],
            &["1.1.1.1", "2606:4700::1111", "::1"],
            &["::ffff:1.1.1.1"],
            &["64:ff9b::1.1.1.1"],
        ] {
            let verdict = resolve(EgressRules::default(), answers, 443).await;
            assert!(matches!(verdict, Err(ResolveError::Denied)), "{answers:?}");
        }
    }

    #[tokio::test]
    async fn a_listed_network_is_open_to_names_but_not_at_an_own_port() {
        let rules = EgressRules {
            allow: vec!["10.0.0.0/8".parse().unwrap()],
            own: vec!["10.0.0.5:9092".parse().unwrap()],
            ..EgressRules::default()
        };
        assert!(resolve(rules.clone(), &["10.0.0.5"], 443).await.is_ok());
        let own = resolve(rules, &["10.0.0.6", "10.0.0.5"], 9092).await;
        assert!(matches!(own, Err(ResolveError::Denied)));
    }

    #[tokio::test]
    async fn a_name_without_an_address_is_not_dialled() {
        let verdict = resolve(EgressRules::default(), &[], 443).await;
        assert!(matches!(verdict, Err(ResolveError::NoAddress)));
    }

    #[tokio::test]
    async fn a_dial_outside_of_an_attempt_is_denied() {
        let policy = Arc::new(EgressPolicy::new(EgressRules::default()));
        let resolver = VettingResolver::new(policy, Arc::new(Answers::of(&["1.1.1.1"])));
        let name = || "hooks.example.com".parse::<Name>().unwrap();
        let outside = resolver.resolve(name()).await.err().unwrap();
        assert!(matches!(outside.downcast_ref(), Some(ResolveError::OutsideAttempt)));

        let inside = with_dialled_port(443, async { resolver.resolve(name()).await }).await;
        let addresses: Vec<SocketAddr> = inside.unwrap().collect();
        assert_eq!(addresses, ["1.1.1.1:0".parse().unwrap()]);
    }
}
