//! The HTTP client of all AWS calls: rustls with ring, like the rest of the library.

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

/// A client that speaks `https` and, for emulators, `http`. `proxied`: through the proxies that the environment names.
pub(super) fn client(proxied: bool) -> SharedHttpClient {
    Builder::new().build_with_connector_fn(move |settings, _| {
        let mut connector = Connector::builder().tls_provider(Provider::Rustls(CryptoMode::Ring));
        connector.set_connector_settings(settings.cloned());
        if proxied {
            connector.set_proxy_config(Some(ProxyConfig::from_env()));
        }
        connector.build()
    })
}
