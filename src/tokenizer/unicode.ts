// Parts of regular expressions (flag u) that mean the same as in the regular expressions of Rust's tokenizers library.

/** Members of a class: Unicode's White_Space, which differs from JavaScript's \s in U+0085 and U+FEFF. */
export const space = "\\t-\\r \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
/** Members of a class: letters and digits that are new in Unicode 17. The tokenizers library has Unicode 16, in which they are neither. */
export const newLetters =
  "\\u{88f}\\u{c5c}\\u{cdc}\\u{a7ce}\\u{a7cf}\\u{a7d2}\\u{a7d4}\\u{a7f1}\\u{10940}-\\u{10959}\\u{10ec5}-\\u{10ec7}\\u{11db0}-\\u{11ddb}" +
  "\\u{11de0}-\\u{11de9}\\u{16ea0}-\\u{16eb8}\\u{16ebb}-\\u{16ed3}\\u{16ff2}-\\u{16ff6}\\u{187f8}-\\u{187ff}\\u{18d09}-\\u{18d1e}" +
  "\\u{18d80}-\\u{18df2}\\u{1e6c0}-\\u{1e6ff}\\u{2b73a}-\\u{2b73f}\\u{2cea2}-\\u{2cead}\\u{323b0}-\\u{33479}";
/** A letter. */
export const letter = `(?![${newLetters}])\\p{L}`;
/** A digit, or another character that stands for a number. */
export const digit = `(?![${newLetters}])\\p{N}`;
