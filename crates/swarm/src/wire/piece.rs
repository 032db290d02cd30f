//! `/starling/piece/1`: one piece of one artifact, by its number.

use model::ArtifactId;

/// The length of a request: the artifact's name and the piece's number.
pub(crate) const PIECE_REQUEST_LENGTH: usize = 32 + 4;

/// A wish for a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PieceRequest {
    pub(crate) artifact: ArtifactId,
    pub(crate) piece: u32,
}

impl PieceRequest {
    pub(crate) fn encode(self) -> Vec<u8> {
        [&self.artifact.0[..], &self.piece.to_be_bytes()].concat()
    }

    /// None unless the length is exact.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (artifact, piece) = bytes.split_first_chunk::<32>()?;
        let piece = u32::from_be_bytes(piece.try_into().ok()?);
        Some(Self {
            artifact: ArtifactId(*artifact),
            piece,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_of_any_other_length_is_refused() {
        let request = PieceRequest {
            artifact: ArtifactId([7; 32]),
            piece: 0x0102_0304,
        };
        let bytes = request.encode();
        assert_eq!(bytes.len(), PIECE_REQUEST_LENGTH);
        assert_eq!(PieceRequest::decode(&bytes), Some(request));
        assert_eq!(PieceRequest::decode(&bytes[1..]), None);
        assert_eq!(PieceRequest::decode(&[&bytes[..], &[0]].concat()), None);
    }
}
