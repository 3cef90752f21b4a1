/*
 * The commands compress, extract and share, for archives on this machine and on Drive. The archives themselves are made
 * in `archive`.
 */

import { Option } from 'commander'
import { ARCHIVE_FORMATS } from '../../archive/format.ts'
import { excludeOption, levelOption } from '../shared/common-options.ts'
import type { LazyCommand } from '../shared/lazy-command.ts'

export function compress(root: LazyCommand): void {
  root
    .command('compress <path>')
    .description('make an ordinary archive of a folder, a file or a version, for people without this program')
    .option(
      '-o, --output <file>',
      'the archive; its name sets the format; drive:Folder/name.zip is a file on Drive, - is standard output (default: <name>.tar.zst in the current folder)',
    )
    .addOption(new Option('--format <format>', 'archive format (default: tar.zst)').choices(ARCHIVE_FORMATS))
    .addOption(levelOption())
    .addOption(excludeOption())
    .option('--force', 'replace an existing archive')
    .option('--share', 'let anyone who has the link read the archive on Drive; asks first')
    .option('--yes', 'share without asking')
    .option('--estimate', 'only estimate the size, by kind of file and type of tensor')
    .addHelpText(
      'after',
      `
If a file changes while it is read, it is archived with the length it had at
first, with a warning and exit code 3. Times are stored to the second. Owners
and extended attributes are not stored. A tar stores hard links as links, a zip
as copies. Equal folders give equal archives.

A path that is not here and that names a version, such as data~0, data@best or
data~1:train, is archived from the store.

Examples:
  colab-escape compress ./data
  colab-escape compress runs -o /media/usb/runs.zip --exclude "*.tmp"
  colab-escape compress runs -o drive:Shared/runs.tar.zst --share
  colab-escape compress data~0 -o data.zip
  colab-escape compress runs -o - | ssh host "cat > runs.tar.zst"`,
    )
    .runs(async () => (await import('./compress.ts')).compressCommand)
}

export function share(root: LazyCommand): void {
  root
    .command('share <file>')
    .description('let anyone who has the link read a file on Drive: drive:Folder/name; asks first')
    .option('--revoke', 'end that')
    .option('--yes', 'share without asking')
    .addHelpText(
      'after',
      `
Prints the link, and a command that downloads and unpacks the file without
colab-escape. A file that is shared already is left as it is. --revoke leaves it
to people with whom it is shared by name, and checks that the link has ended
(exit code 1 if not: the folder of the file may be shared). Folders, and so
repositories, are not shared.

Examples:
  colab-escape share drive:Shared/runs.tar.zst
  colab-escape share --revoke drive:Shared/runs.tar.zst`,
    )
    .runs(async () => (await import('./share.ts')).shareCommand)
}

export function extract(root: LazyCommand): void {
  root
    .command('extract <file> [destination]')
    .description(
      'extract a tar.zst, tar.gz, tar.bz2, tar.xz, tar or zip archive of any program, or a single .gz, .bz2, .xz or .zst file; - is standard input, drive:Folder/name is a file on Drive',
    )
    .option('--force', 'replace existing files, and extract an archive that looks like a decompression bomb')
    .addHelpText(
      'after',
      `
An entry that would end up outside the destination is skipped (exit code 3). An
entry is also skipped where something else exists already (exit code 8). An
archive that unpacks to more than 1 GB and to more than a hundred times its own
size counts as a decompression bomb. A tar without an end mark is extracted, but
may have been cut (exit code 3). What is whole in a damaged archive is extracted
(exit code 7). Forms and variants that are read: docs/archives.md.

Examples:
  colab-escape extract data.tar.zst
  colab-escape extract photos.zip /content/photos
  colab-escape extract drive:Shared/runs.tar.zst`,
    )
    .runs(async () => (await import('./extract.ts')).extractCommand)
}
