import { parseEnv } from 'node:util'
import { promise, type Target } from '../target.ts'

/** A `.env` file, which Node itself parses. */
export const env: Target = {
  name: 'env',
  seeds: () =>
    [
      'A=b\n',
      'COLAB_ESCAPE_STORE="drive:a b" # comment\nexport X=\'y\'\n',
      '# only\n\nEMPTY=\n',
      'M="two\nlines"\nB=`x`\n',
      '__proto__=x\n',
    ].map(text => Buffer.from(text)),
  run(input) {
    const parsed = { ...parseEnv(Buffer.from(input).toString('utf8')) }
    for (const [name, value] of Object.entries(parsed)) promise(typeof value === 'string', 'a setting is a text', name, value)
  },
}
