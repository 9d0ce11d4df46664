//! `hooklog sign`: the signature header of a body, as the older services' signing script makes
//! it. Asks nobody; the same words give the same signature for ever.

use serde_json::json;
use signature::{Secret, canonical, sign_hub};

use crate::cli::body::BodyArguments;
use crate::cli::failure::Failure;
use crate::cli::screen::Screen;

/// The default of `WEBHOOK_SECRET_HEADER`.
pub(crate) const HEADER: &str = "X-Hub-Signature-256";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    body: BodyArguments,
    /// The subscription's secret; whsec_ and base64, or any text.
    #[arg(long, env = "HOOKLOG_SECRET", hide_env_values = true)]
    secret: String,
    /// Print the header of this form alone, to be given to curl -H.
    #[arg(long)]
    form: Option<Form>,
    /// The header's name: the server's WEBHOOK_SECRET_HEADER.
    #[arg(long, value_name = "NAME", default_value = HEADER)]
    header: String,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Over what a signature is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// The body as it is.
    Raw,
    /// The body as Python's json.dumps writes it, with sorted keys and without spaces.
    Canonical,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let secret = secret(&arguments.secret)?;
    let signatures = Signatures::of(&secret, &arguments.body.read()?);
    let screen = Screen::new(arguments.json);
    if arguments.json {
        return screen.print_json(&signatures.json(&arguments.header));
    }
    screen.print(&signatures.text(&arguments.header, arguments.form)?)
}

/// # Errors
/// [`Failure::Usage`]: the text is no secret.
pub(crate) fn secret(text: &str) -> Result<Secret, Failure> {
    Secret::from_text(text).map_err(|error| Failure::Usage(format!("--secret: {error}")))
}

struct Signatures {
    raw: String,
    /// Why there is none, if the body has no such form.
    canonical: Result<String, String>,
}

impl Signatures {
    fn of(secret: &Secret, body: &[u8]) -> Self {
        let canonical = canonical(body).map(|form| sign_hub(secret, &form));
        Self {
            raw: sign_hub(secret, body),
            canonical: canonical.map_err(|error| error.to_string()),
        }
    }

    fn text(&self, header: &str, form: Option<Form>) -> Result<String, Failure> {
        let canonical = match (form, &self.canonical) {
            (Some(Form::Canonical), Err(why)) => {
                return Err(Failure::Usage(format!("there is no canonical form: {why}")));
            }
            (_, Ok(signature)) => format!("{header}: {signature}"),
            (_, Err(why)) => format!("none: {why}"),
        };
        let raw = format!("{header}: {}", self.raw);
        Ok(match form {
            Some(Form::Raw) => format!("{raw}\n"),
            Some(Form::Canonical) => format!("{canonical}\n"),
            None => format!("raw        {raw}\ncanonical  {canonical}\n"),
        })
    }

    fn json(&self, header: &str) -> String {
        let canonical = self.canonical.as_deref().ok();
        json!({"header": header, "raw": self.raw, "canonical": canonical}).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signatures(body: &str) -> Signatures {
        Signatures::of(&secret("your_secure_secret_key").unwrap(), body.as_bytes())
    }

    #[test]
    fn the_canonical_form_has_the_signatures_of_the_documented_vectors() {
        for (body, digest) in [
            (
                r#"{"payload": {"user_id": 123, "action": "created", "timestamp": "..."}, "event_type": "user.created"}"#,
                "3396f2b35a246984a0e61d668d25c60a727603fe496b17cb217112a5d2ff722f",
            ),
            (
                r#"{"payload":{"a":1.0,"b":1e5,"c":1e16,"d":1E-5,"e":0.0001,"f":-0.0,"g":-0,"h":123456789012345678901234567890,"i":1.50,"j":1e22,"k":123456789.123456789,"l":0.1e1}}"#,
                "76d23b664f932f7bc77644174465db43452710a1c4667d02e0bd65442bdcae8b",
            ),
            (
                r#"{"payload":{"a":1,"a":2},"payload":{"b":true,"b":null}}"#,
                "27e88f5414d7528d3a434bf19a1982bcf12bc7fea7980e856855c9f9a98dc784",
            ),
        ] {
            assert_eq!(signatures(body).canonical, Ok(format!("sha256={digest}")), "{body}");
        }
    }

    #[test]
    fn a_canonical_body_has_one_signature_and_one_that_is_no_json_only_the_raw_one() {
        let both = signatures(r#"{"payload":{"b":null}}"#);
        assert_eq!(both.canonical.as_deref(), Ok(both.raw.as_str()));
        assert_eq!(
            both.text(HEADER, Some(Form::Raw)).unwrap(),
            "X-Hub-Signature-256: \
             sha256=27e88f5414d7528d3a434bf19a1982bcf12bc7fea7980e856855c9f9a98dc784\n"
        );
        let raw = signatures("plain");
        assert!(raw.text(HEADER, None).unwrap().contains("canonical  none: the body is not JSON"));
        assert!(matches!(raw.text(HEADER, Some(Form::Canonical)), Err(Failure::Usage(_))));
        assert!(raw.json(HEADER).contains(r#""canonical":null"#));
    }
}
