//! SRTP that hides nothing and believes everything: with it a target says what is inside of packets, as a participant can.

use std::sync::LazyLock;
use str0m::crypto::{
    AeadAes128GcmCipher, AeadAes256GcmCipher, CryptoError, CryptoProvider, SrtpProvider, SupportedAeadAes128Gcm,
    SupportedAeadAes256Gcm, SupportedAes128CmSha1_80,
};

/// Bytes of the tag that AES-GCM puts behind a packet.
pub(super) const TAG_BYTES: usize = 16;

static REAL: LazyLock<CryptoProvider> = LazyLock::new(str0m::crypto::from_feature_flags);

/// The usual cryptography, but for that of media.
pub(super) fn crypto() -> CryptoProvider {
    CryptoProvider { srtp_provider: &Open, ..REAL.clone() }
}

#[derive(Debug)]
struct Open;

impl SrtpProvider for Open {
    fn aes_128_cm_sha1_80(&self) -> &'static dyn SupportedAes128CmSha1_80 {
        REAL.srtp_provider.aes_128_cm_sha1_80()
    }

    fn aead_aes_128_gcm(&self) -> &'static dyn SupportedAeadAes128Gcm {
        &Self
    }

    fn aead_aes_256_gcm(&self) -> &'static dyn SupportedAeadAes256Gcm {
        &Self
    }

    fn srtp_aes_128_ecb_round(&self, key: &[u8], input: &[u8], output: &mut [u8]) {
        REAL.srtp_provider.srtp_aes_128_ecb_round(key, input, output);
    }

    fn srtp_aes_256_ecb_round(&self, key: &[u8], input: &[u8], output: &mut [u8]) {
        REAL.srtp_provider.srtp_aes_256_ecb_round(key, input, output);
    }
}

impl SupportedAeadAes128Gcm for Open {
    fn create_cipher(&self, _: [u8; 16], _: bool) -> Box<dyn AeadAes128GcmCipher> {
        Box::new(Self)
    }
}

impl SupportedAeadAes256Gcm for Open {
    fn create_cipher(&self, _: [u8; 32], _: bool) -> Box<dyn AeadAes256GcmCipher> {
        Box::new(Self)
    }
}

impl AeadAes128GcmCipher for Open {
    fn encrypt(&mut self, _: &[u8; 12], _: &[u8], input: &[u8], output: &mut [u8]) -> Result<(), CryptoError> {
        show(input, output);
        Ok(())
    }

    fn decrypt(&mut self, _: &[u8; 12], _: &[&[u8]], input: &[u8], output: &mut [u8]) -> Result<usize, CryptoError> {
        Ok(show(&input[..input.len().saturating_sub(TAG_BYTES)], output))
    }
}

impl AeadAes256GcmCipher for Open {
    fn encrypt(&mut self, _: &[u8; 12], _: &[u8], input: &[u8], output: &mut [u8]) -> Result<(), CryptoError> {
        show(input, output);
        Ok(())
    }

    fn decrypt(&mut self, _: &[u8; 12], _: &[&[u8]], input: &[u8], output: &mut [u8]) -> Result<usize, CryptoError> {
        Ok(show(&input[..input.len().saturating_sub(TAG_BYTES)], output))
    }
}

fn show(input: &[u8], output: &mut [u8]) -> usize {
    let count = input.len().min(output.len());
    output[..count].copy_from_slice(&input[..count]);
    count
}
