import { PACKAGE } from '../../util/package-source.ts'

/** What the words of other tools are called here, by those words. */
const WORDS: readonly (readonly [words: string, hint: string])[] = [
  ['save backup upload put store add commit archive', 'To store a folder use: colab-escape push <path>'],
  ['restore recover download get checkout fetch clone export', 'To get a version back use: colab-escape pull <version> [destination]'],
  ['snapshots list history versions backups', 'To list the versions use: colab-escape log'],
  ['rm remove delete drop expire', 'To remove old versions use: colab-escape forget <name>'],
  ['undo undelete restore-version revert', 'To bring back what was removed use: colab-escape unforget <name>'],
  ['mv move', 'To give versions another name use: colab-escape rename <name> <new-name>'],
  [
    'copy cp duplicate migrate',
    'A repository is copied as its folder is: with cp -r, rclone or the browser. For one version pull it, and push it with the other --store.',
  ],
  ['search grep locate which', 'To find a file in all versions use: colab-escape find <pattern>'],
  ['undo undelete unremove revert', 'To bring back forgotten versions use: colab-escape unforget'],
  ['annotate describe amend', 'To change the message or the metrics of a version use: colab-escape note <version>'],
  ['gc clean cleanup compact vacuum maintenance', 'To free the space of forgotten versions use: colab-escape prune'],
  ['verify fsck scrub validate', 'To verify the repository use: colab-escape check'],
  ['rebuild-index recover-index fix mend', 'To repair the repository use: colab-escape repair'],
  ['dump print type', 'To print a stored file use: colab-escape cat <version>:<path>'],
  ['stats size sizes df usage quota space about', 'To see what takes how much space use: colab-escape du'],
  ['login signin connect', 'To log in use: colab-escape auth login'],
  ['logout signout disconnect', 'To log out use: colab-escape auth logout'],
  ['whoami account', 'To see who is logged in use: colab-escape auth status'],
  ['setup config configure', 'To set up Google Drive use: colab-escape auth setup. Other settings: --store and --settings-file'],
  ['init create', 'A repository needs no preparation: the first `colab-escape push <path>` makes it.'],
  ['sync mirror', 'To store what changed use: colab-escape push <path>. To save during a training use: colab-escape watch <path>'],
  [
    'mount serve browse',
    'Versions are not mounted: use `colab-escape ls <version>` to see the files and `colab-escape pull <version>` to get them.',
  ],
  ['unpack untar unzip', 'To unpack an archive use: colab-escape extract <archive>'],
  ['pack zip tar', 'To make an archive use: colab-escape compress <path>'],
  ['link publish', 'To let anyone with the link read an archive on Drive use: colab-escape share drive:<file>'],
  ['update upgrade self-update', PACKAGE.howToUpdate],
  ['version', 'To see the version use: colab-escape --version'],
]

/** What to use here instead of a command that other tools have. */
export function otherToolsWord(word: string): string | undefined {
  return WORDS.find(([words]) => words.split(' ').includes(word.toLowerCase()))?.[1]
}

/** Options of other tools, what they are called here, and what to know about that. */
const OPTIONS: readonly (readonly [words: string, here: string, more?: string])[] = [
  ['--include --include-from --files --filter --pattern -i', '--only <pattern>'],
  ['--ignore --skip --exclude-from --exclude-file --ignore-file', '--exclude <pattern>', 'A file .colab-escape-ignore holds patterns too.'],
  ['--delete-after --delete-before --delete-during --delete-excluded --remove --mirror', '--delete'],
  ['--overwrite --clobber --yes-overwrite -f', '--force'],
  ['--dryrun --dry --simulate --just-print --test --estimate --preview --what-if --noop', '--dry-run'],
  ['--remote --repo --repository --dest --destination --drive --backend --bucket -r', '--store <place>'],
  ['--threads --transfers --workers --parallel --concurrency --checkers --processes --cores -p', '--jobs <n>'],
  ['--silent --no-output', '--quiet'],
  ['--debug --log-level --trace -vv -d', '--verbose'],
  ['--format --output-format --output-json --porcelain', '--json'],
  ['--comment --description --desc --note --notes', '--message <text>'],
  ['--label --labels --tags -t', '--tag <tag>'],
  ['--metrics --score --loss', '--metric <name=number>'],
  ['--compression --compress --compression-level -z', '--level <level>'],
  ['--checksum --ignore-times --force-read --rescan -c', '--reread'],
  ['--keep --last --keep-n --max-versions --keep-latest', '--keep-last <n>'],
  ['--auth-token --access-token', '--token <token>'],
  ['--config --env-file --settings', '--settings-file <file>'],
  ['--as --title', '--name <name>'],
]

/** Options of other tools of which there is none here, and why none is needed. */
const NEEDLESS: readonly (readonly [words: string, hint: string])[] = [
  ['--progress --stats -P', 'Leave it out: a terminal shows the progress by itself; --no-progress hides it.'],
  ['--to --target --dst --output-dir --out', 'Leave it out: the destination of a pull is its second argument.'],
  ['--yes --assume-yes --no-confirm --non-interactive --batch -y', 'Leave it out: this command asks nothing.'],
  ['--recursive --archive -a', 'Leave it out: folders are stored and restored with all that is in them.'],
  ['--resume --continue --partial', 'Leave it out: the same command goes on where an interrupted one stopped.'],
]

/** What to use here instead of an option that other tools have. `known`: the flags of the command. */
export function otherToolsOption(given: string, known: readonly string[]): string | undefined {
  const flag = given.split('=', 1)[0]!.toLowerCase()
  const isMeant = ([words]: readonly [string, ...unknown[]]): boolean => words.split(' ').includes(flag)
  const here = OPTIONS.find(row => isMeant(row) && known.includes(row[1].split(' ', 1)[0]!))
  if (here) return `That is called ${here[1]} here.${here[2] === undefined ? '' : ` ${here[2]}`}`
  return NEEDLESS.find(isMeant)?.[1]
}
