/*
 * The commands compress and extract, for archives on this machine and on Drive. The archives themselves are made in
 * `archive`.
 */

import { Option, type Command } from 'commander'
import { ARCHIVE_FORMATS } from '../../archive/format.ts'
import { collect, type Execute } from '../shared/execute.ts'

/** The commands for ordinary archives, which need no repository: options, help and examples; what they do is loaded when they run. */
export function registerArchiveCommands(root: Command, execute: Execute): void {
  root
    .command('compress <path>')
    .description('make an ordinary archive of a folder or a file, for people without this program')
    .option(
      '-o, --output <file>',
      'the archive; its name tells the format; drive:Folder/name.zip is a file on Drive, - standard output (default: <name>.tar.zst, here)',
    )
    .addOption(new Option('--format <format>', 'which kind of archive (default: tar.zst)').choices(ARCHIVE_FORMATS))
    .addOption(new Option('--level <level>', 'how hard to compress').choices(['fast', 'balanced', 'max']).default('balanced'))
    .option(
      '--exclude <pattern>',
      'leave out what matches, in gitignore syntax (repeatable); also read from .colab-escape-ignore files',
      collect,
    )
    .option('--force', 'replace an archive that is there already')
    .option('--estimate', 'only tell about how large it would be, by kind of file and type of tensor')
    .addHelpText(
      'after',
      `
A file that changes while it is read keeps the length it had at first, is
warned about, and makes the exit code 3. Times are kept to the second (in a zip
to two); owners are not kept. Equal folders give equal archives.

Examples:
  colab-escape compress ./data
  colab-escape compress runs -o /media/usb/runs.zip --exclude "*.tmp"
  colab-escape compress runs -o drive:Shared/runs.tar.zst
  colab-escape compress runs -o - | ssh host "cat > runs.tar.zst"`,
    )
    .action(async (path: string, _: unknown, command: Command) => {
      const { compressCommand } = await import('./compress.ts')
      const options = command.opts<Parameters<typeof compressCommand>[2]>()
      await execute(command.optsWithGlobals(), session => compressCommand(session, path, options))
    })

  root
    .command('extract <file> [destination]')
    .description('extract a tar.zst, tar.gz, tar or zip archive, whatever made it; - is standard input, drive:Folder/name a file on Drive')
    .option('--force', 'replace files that are there already, and extract what looks like a decompression bomb')
    .addHelpText(
      'after',
      `
Entries that would leave the destination are not extracted (exit code 3), nor
those in whose place something else lies (exit code 8). More than 1 GB from an
archive of less than a hundredth of it is taken for a decompression bomb.

Examples:
  colab-escape extract data.tar.zst
  colab-escape extract photos.zip /content/photos
  colab-escape extract drive:Shared/runs.tar.zst`,
    )
    .action(async (file: string, destination: string | undefined, _: unknown, command: Command) => {
      const { extractCommand } = await import('./extract.ts')
      const options = command.opts<Parameters<typeof extractCommand>[3]>()
      await execute(command.optsWithGlobals(), session => extractCommand(session, file, destination, options))
    })
}
