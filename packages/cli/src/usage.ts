/** What `murmuration --help` says. */
export const usage = `murmuration <command> [options]

  root    --out FILE                        makes a root key; prints its public half
  start   --data DIR [--name NAME]          runs a peer until it is told to stop; then it hands over
          one of: --root FILE | --invite LINE | --secret-file FILE
          [--listen ADDR]... [--join ADDR]... [--role member|edge|guest] [--mdns] [--kademlia]
          [--label KEY=VALUE]... [--agents MODULE]
  invite  --name NAME --root FILE --at ADDR... [--role ROLE] [--hours N]
                                            prints one line with which one new peer joins, once
  members                                   who is in the view
  actions                                   what the peers offer
  who-owns AGENT                            where an agent runs
  call    AGENT ACTION [JSON]               runs an action
  watch   PATTERN [--count N]               prints signals as they come
  lost                                      which disks the cluster waits for, and what for
  give-up PEER[#INCARNATION]... --reason TEXT [--confirm VIEW]
                                            UNSAFE: goes on without lost disks; what only they hold is gone.
                                            Without --confirm it only says what would happen
  acknowledge VIEW                          takes the mark of that away, once the data is looked after
  doctor  [--data DIR] [--join ADDR]...     what stands in the way of a peer here

members, actions, who-owns, call and watch go in as a guest (watch: edge), lost, give-up and acknowledge as
an operator, and take
  --name NAME, --join ADDR..., one of --root FILE and --secret-file FILE, [--timeout SECONDS]

Data goes to standard output, with --json as one JSON value a line; everything else to standard error.
Exit codes: 0 done; 1 it did not work; 2 the command line is wrong.
MURMURATION_SECRET stands for --secret-file.
`
