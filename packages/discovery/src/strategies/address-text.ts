/** A text that lists addresses: a JSON list of texts, or texts between white space and commas, `#` starts a comment. */
export function addressesIn(text: string): readonly string[] {
  if (text.trimStart().startsWith('[')) {
    const parsed: unknown = JSON.parse(text)
    if (Array.isArray(parsed) && parsed.every((one) => typeof one === 'string')) {
      return parsed
    }
    throw new SyntaxError('a JSON list of addresses has texts only')
  }
  return text
    .replaceAll(/(^|\s)#.*$/gm, ' ')
    .split(/[\s,]+/)
    .filter((one) => one !== '')
}
