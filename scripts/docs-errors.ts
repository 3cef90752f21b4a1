import type { ExitCode, exitCodeOf } from '../src/exit-codes.ts'
import type { ErrorCode } from '../src/util/errors.ts'
import { escaped, table } from './docs-commands.ts'
import type { FoundError } from './docs-messages.ts'

const INTRO = `# Errors

Made by \`npm run docs\` from the sources: every error that the program can give. An error is two lines, what failed and what to do next:

    error: There is no "dta" in /media/usb/repo.
      -> It holds: data, runs

With \`--json\` it is one event \`{"event": "error", "code": ..., "message": ..., "hint": ...}\`; \`--verbose\` adds where it came from. Below, \`<words>\` stand for
what is known only when it happens, and \`[words]\` may be absent. In all cases what was stored before is still there, and the same command run again goes on.`

const EXIT_CODES: Record<number, string> = {
  0: 'The command has done what it was asked to do. `status` and `diff` end with it whatever they found.',
  1: `Something stood in the way that another try, another place or another permission may cure. \`doctor\` ends with it when it found a problem.`,
  2: `The command line or a setting asks for something that makes no sense; nothing was begun. Options and arguments that don't exist are told in the same two lines.`,
  3: `The command is done, but some files could not be read, restored or extracted; warnings name each. \`push\` has saved all others, \`pull\` has
restored all others, and \`extract\` has extracted all others.`,
  4: 'Google Drive does not know who asks, or refuses it. [auth.md](auth.md) tells how to log in and which credentials are used.',
  5: 'What was named is not there: a path, a version, or a repository in that place.',
  6: 'There is no room. What had been stored by then stays usable, and the same command goes on with it once there is room.',
  7: `Bytes are not what they were when they were stored. \`pull\` has restored what is not affected, \`check\` lists what is. Pushing the sources again stores anew
what is damaged.`,
  8: 'Something local would be lost that is stored nowhere. Nothing was written.',
  9: '`diff` and `status` with `--exit-code` have found differences. Without that option they end with 0.',
  130: 'Ctrl-C, or another signal that asks to end. The repository is valid, and the same command goes on where it stopped.',
}

const CODES: Record<ErrorCode, string> = {
  usage: 'What was asked for makes no sense.',
  'not-found': 'It is not there.',
  'bad-range': 'An object is shorter than it has to be.',
  conflict: 'An object of that name is there already, with other content.',
  denied: 'It is not allowed to do that there.',
  unauthenticated: 'Nobody is logged in, or the login is refused.',
  quota: 'The store or the disk is full.',
  throttled: 'Google Drive asks for a pause. The request was repeated before this was said, for up to ten minutes ([drive.md](drive.md)).',
  unavailable:
    'The other side could not be reached, or gave no proper answer. Requests to Drive were repeated before this was said, some for up to ten minutes ([drive.md](drive.md)).',
  corrupt: 'Bytes are not what they should be.',
  'newer-format': 'A newer version of this program made it.',
  'not-a-repository': 'There is something else in that place.',
  'would-overwrite': 'Local content that is stored nowhere is in the way.',
  interrupted: 'It was asked to stop.',
  unsupported: 'It does not work with this Node, or with this kind of file.',
  io: 'The system or the disk refused, or an encoder failed.',
}

/** So many messages with one cure stand in a list under it. */
const LIST_FROM = 8

/** The hint that an error of this code has unless it brings its own. */
type DefaultHint = (code: ErrorCode) => string

/** The text of docs/errors.md. Throws where an error code or an exit code is not described above. */
export function errorsPage(
  errors: readonly FoundError[],
  exitCodes: readonly ExitCode[],
  exitOf: typeof exitCodeOf,
  defaultHint: DefaultHint,
): string {
  const codes = [...new Set(errors.flatMap(error => error.codes))].map(described)
  const sections = exitCodes.flatMap(({ code: exit, meaning }) => {
    if (!(exit in EXIT_CODES)) throw new Error(`describe the exit code ${exit} in scripts/docs-errors.ts`)
    const here = codes.filter(code => exitOf(code) === exit).sort()
    return [`## Exit code ${exit}: ${meaning}`, EXIT_CODES[exit]!, ...here.flatMap(code => codeSection(code, errors, defaultHint(code)))]
  })
  const wrapped = errors.filter(error => error.codes.length === 0)
  return `${[
    INTRO,
    ...sections,
    '## Any exit code',
    'After several tries, an error tells for how long it was tried. It keeps its code.',
    rows(wrapped, ''),
    systemSection(),
  ].join('\n\n')}\n`
}

function described(code: string): ErrorCode {
  if (code in CODES) return code as ErrorCode
  throw new Error(`describe the error code ${code} in scripts/docs-errors.ts`)
}

function codeSection(code: ErrorCode, errors: readonly FoundError[], defaultHint: string): string[] {
  const all = errors.filter(error => error.codes.includes(code))
  const cures = all.map(({ hints }) => cureOf(hints, defaultHint))
  const [common] = [...new Set(cures)].filter(cure => cures.filter(each => each === cure).length >= LIST_FROM)
  const listed = all.filter((_, at) => cures[at] === common)
  const others = all.filter((_, at) => cures[at] !== common)
  return [
    `### \`${code}\``,
    CODES[code],
    ...(others.length > 0 ? [rows(others, defaultHint)] : []),
    ...(listed.length > 0 ? [`**${common}** This is the cure of:`, listed.map(({ message }) => `- ${quoted(message)}`).join('\n')] : []),
  ]
}

/** Messages with one cure share a row. */
function rows(errors: readonly FoundError[], defaultHint: string): string {
  const byCure = new Map<string, string[]>()
  for (const { message, hints } of errors) {
    const cure = cureOf(hints, defaultHint)
    byCure.set(cure, [...(byCure.get(cure) ?? []), quoted(message)])
  }
  return table(
    ['message', 'what to do'],
    [...byCure].map(([cure, messages]) => [messages.join('<br>'), cure]),
  )
}

const cureOf = (hints: readonly string[], defaultHint: string): string =>
  (hints.length === 0 ? [defaultHint] : hints).map(escaped).join('<br>or: ')
const quoted = (message: string): string => (message.includes('`') ? `\`\` ${message} \`\`` : `\`${message}\``)

function systemSection(): string {
  return `## In the system's own words

What the system refuses is told as it says it (\`ENOSPC: no space left on device, write\`), with code \`io\` and exit code 1, and with what to do about it. An error
that nobody foresaw has the code \`internal\` and asks to be reported: it is a bug.`
}
