locals {
  a    = "x${var.a}y${var.b}${var.c}"
  bbbb = "${~x~}z"                       # one
  c    = [for x in [1, 2] : x if x > -1] //two
  d    = { for k, v in m : k => v... if v != null }
  e    = foo(a, b...)
  ff   = -1 + -2 - -3 * (-4)
  g    = a ? b : c /* in */ + 1 /*end*/
  h = [{
    a = 1
    }, {
    bb = 2
  }]
  i = foo({
    a = 1 }, [
    2,
  ])
  j = <<EOF
   keep   ${x}  ${
    y
  }
 EOF
  k = foo(<<-EOT
     text
    EOT
  , 2)
  l   = "é"        # acc
  mmm = "日本"       # wide
  n   = "🇩🇪👩‍👩‍👧"       # emoji
  o   = "e\u0301é" # comb
  tab = 1          # t
  p   = a.b[*].c.d
  q   = a[0]
  r   = {}
  s   = {}
  t   = []
  u   = { a = 1, b = 2 }
  v   = f(x)
  w   = a[0][1]
  x   = "%{if a}b%{else}c%{endif}"
  y   = { "a" : 1, (b) : 2 }
  z   = !a && !b || c == d
}
/* lead
  multi */
# c
b "x" "y" {}
b x { a = 1 }
b x {

  c {

  }


}
a = [
  [[
    1
  ]]
]
a2 = [[
  1
  ], [
  2
]]
a3 = (
  1 +
  2
)
a4 = a - 1
a5 = [-1, -2]
a6 = a.0.b
a7 = x[-1]
a8 = (x)[0]
a9 = { a = b }[c]


from_i {
  a = 1 # x

  # y
  bbbb = {  # z
    ccc = 1 # q
  }         # r
  b = 1     # s
  x = [1,   # w
  2]        # t
  # u



}

from_j {
  a = "${f({
    a = 1
  })}"
  b = { a = "}"
    c = "{"
  }
  d = [
    <<A
x
A
    ,
    <<-B
  y
  B
  ]
  e = 1

}

from_k {
  a = foo(<<A
  ${f(
    1,
    [
    2])}
  %{for x in y~}
  ${x}
 %{endfor}
A
  )
  b  = 1
  b1 = true ? 1 : 2
  b2 = a >= 1
  b3 = f(x...)
  b4 = f(x...)
  b5 = [for k, v in in : v]
  b6 = [for v in(a) : v]
  b7 = [for v in {} : v]

}

from_l {
  b7 = { for v in {} : v => v }
  b9 = f(
    1, 2
  )
  b10 = "a" == "b"
  b11 = a / b % c
  b12 = a.b.*.c
  b13 = 1[0]
  b14 = "x" [0]
  b15 = f(x)[0]
  b16 = [1][0]
  c13 = a < b
  c15 = (a) - 1
  c16 = a[0] - 1
  c17 = f(x) - 1
  c18 = "a" - 1
  c19 = { a = -1 }
  c20 = a == "x" ? -1 : -2
  c21 = a && -b
  c22 = a < -b
  c24 = a == -b
  c25 = !-b

}

from_o {
  a = "${- x}${- 1}"
  b = { for k, v in x : k => - v }
  c = [
  -1]
  d = "🇩🇪" # x
  e = "👍🏽" # y
  f = "z" # zz
  g = x == null ? -1 : -2
  h = f(-1, -2)
  i = (-1)
  j = { a = -1, b : -2 }
  k = "x" - 1

}

from_v {
  a = -1 - a
  b = !-a
  c = "${- a}"
  d = -a

}
