/**
 * What slips, dead letters and files of strangers say, made harmless for a terminal: it moves no cursor and forges no
 * line.
 */

const mark = "\u{FFFD}"

/** Text that stays on its line. */
// oxlint-disable-next-line no-control-regex
export const line = (text: string): string => text.replace(/[\u0000-\u001f\u007f-\u009f]/g, mark)

/** Text of several lines. */
export const lines = (text: string): string => text.split("\n").map(line).join("\n")
