@test "the folder is there" {
  [ -d /var/made ]
}

@test "ansible was here, $STAGE" {
  run sudo cat /var/made/ansible-local
  [ "$status" -eq 0 ]
  [[ "$output" == "from ansible, local,"* ]]
}

@test "not done yet" {
  skip "shown as skipped"
}
