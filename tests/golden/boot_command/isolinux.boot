<esc><wait>auto url=http://10.0.2.2:8080/Pre_seed.cfg<enter>
