// Package rules decides who may subscribe to a channel, publish to it, and send
// an event, by rules that are data.
//
// A [Policy] is compiled once and not changed; a [Grant] is what of an identity
// matters to it, made once for a connection: the uid, and one bit for each claim
// that a rule asks for. So a connection keeps no claims, and matching neither
// allocates nor decodes. Everything may be used concurrently; nothing blocks.
//
// # Patterns
//
// A pattern is compared with the whole text of a channel id, as the node shows
// it (a string without quotes, a keyword with its colon), or of an event id,
// where the colon may be left out. Signs stand for themselves, but for two:
//
//   - * is any run of characters, also none, also with slashes;
//   - {uid} is one segment: a run of characters without a slash, not empty, that
//     ends at a slash or at the end. Only fixed text may stand before it, and a
//     slash or nothing behind it, so there is one way at most to find it.
//
// {uid} stands for any segment, not only for one's own uid. Whether it is one's
// own is what [User] asks. So of profile/{uid} everybody may read what only the
// user writes, and what is another user's does not fall through to later, wider
// rules.
//
// The segment is compared with the uid byte by byte. A uid with a slash is no
// segment, so it owns no such channel; a uid with a star, a brace or a percent
// sign is just that text. No uid owns more than its own segment.
//
// # Order
//
// The first rule whose pattern matches decides, whatever it says. Where none
// matches nothing is allowed; but where there are no rules at all (channels and
// events each for themselves) everything is.
//
// Start reading at [New].
package rules
