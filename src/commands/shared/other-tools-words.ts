/** What the words of other tools are called here, by those words. */
const WORDS: readonly (readonly [words: string, hint: string])[] = [
  ['save backup upload put store add commit archive', 'To store a folder use: colab-escape push <path>'],
  ['restore recover download get checkout fetch clone export', 'To get a version back use: colab-escape pull <version> [destination]'],
  ['snapshots list history versions backups', 'To list the versions use: colab-escape log'],
  ['rm remove delete drop expire', 'To remove old versions use: colab-escape forget <name>'],
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
  ['update upgrade self-update', 'Install the newest package in the way in which you installed this one.'],
  ['version', 'To see the version use: colab-escape --version'],
]

/** What to use here instead of a command that other tools have. */
export function otherToolsWord(word: string): string | undefined {
  return WORDS.find(([words]) => words.split(' ').includes(word.toLowerCase()))?.[1]
}
