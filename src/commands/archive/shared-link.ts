import type { ArchiveFormat } from '../../archive/format.ts'
import { AppError } from '../../util/errors.ts'
import { ask } from '../shared/prompt.ts'
import type { Session } from '../shared/session.ts'

/** A file that anyone with its link may read. */
export interface SharedLink {
  id: string
  /** For a browser. */
  link: string
  /** For a shell: downloads the file and, if it is an archive, unpacks it. */
  command: string
}

/** Throws `usage` if nobody can be asked and `--yes` is missing. */
export function requireAnswer(yes: boolean): void {
  if (!yes && process.stdin.isTTY !== true)
    throw new AppError('usage', 'Sharing asks before it opens a file to anyone with the link, but stdin is not a terminal.', {
      hint: 'Add --yes.',
    })
}

/** Asks before a file is opened to everybody. Throws `usage` unless the answer is yes. */
export async function agreeToShare(session: Session, file: string, yes: boolean, declined = 'Nothing was shared.'): Promise<void> {
  requireAnswer(yes)
  if (yes) return
  session.console.pause()
  const answer = await ask(`Anyone who has the link will be able to read ${file}. Share it? [y/N] `, session.signal)
  if (!/^\s*y(es)?\s*$/i.test(answer)) throw new AppError('usage', declined, { hint: 'Run it again and answer y, or add --yes.' })
}

/**
 * Google describes no address for programs without a login. This one is what its page for downloads leads to, and
 * `confirm` skips the question that it asks about large files: fratajcz/speos#10 (August 2025), wkentaro/gdown.
 */
const DOWNLOAD = 'https://drive.usercontent.google.com/download'

/** The link of a file that was just shared, or was before. */
export function sharedLink(id: string, link: string, name: string, format: ArchiveFormat | undefined): SharedLink {
  const file = quoted(name)
  const get = `curl -fL '${DOWNLOAD}?id=${id}&export=download&confirm=t'`
  const commands: Record<ArchiveFormat, string> = {
    'tar.zst': `${get} | tar --zstd -xf -`,
    'tar.gz': `${get} | tar -xzf -`,
    // the directory of a zip is at its end
    zip: `${get} -o ${file} && unzip ${file}`,
  }
  return { id, link, command: format === undefined ? `${get} -o ${file}` : commands[format] }
}

const quoted = (name: string): string => `'${(name.startsWith('-') ? `./${name}` : name).replaceAll("'", `'\\''`)}'`

const NEEDED: Record<ArchiveFormat, string> = { 'tar.zst': 'curl, tar and zstd', 'tar.gz': 'curl and tar', zip: 'curl and unzip' }

/** Lines of a receipt, below one that says who can read the file. */
export function describeLink({ link, command }: SharedLink, location: string, format: ArchiveFormat | undefined): string[] {
  const use = format === undefined ? 'Download it' : 'Download and unpack it'
  return [
    `    ${link}`,
    `  ${use} without colab-escape, with ${format === undefined ? 'curl' : NEEDED[format]}:`,
    `    ${command}`,
    ...(format === undefined
      ? []
      : ['  Unpack it with colab-escape, on a machine that is logged in to Google Drive:', `    colab-escape extract '${link}'`]),
    `  End the sharing: colab-escape share --revoke ${/^[\w:/.+@=-]+$/.test(location) ? location : quoted(location)}`,
  ]
}
