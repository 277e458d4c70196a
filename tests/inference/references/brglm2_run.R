# Writes brglm2.json: multinomial logits with Firth's penalty by Debian's r-cran-brglm2, for the
# housing data of MASS and for the rows of separated.csv:
#   Rscript brglm2_run.R path/to/MASS_housing.csv
library(brglm2)

numbers <- function(x) paste0("[", paste(sprintf("%.17g", x), collapse = ", "), "]")
rows <- function(M) paste0("[", paste(apply(M, 1, numbers), collapse = ", "), "]")
texts <- function(x) paste0("[", paste(sprintf('"%s"', x), collapse = ", "), "]")
described <- function(fit) {
    coef <- coef(fit)
    errors <- matrix(sqrt(diag(vcov(fit))), nrow(coef), byrow = TRUE)
    paste0('{"classes": ', texts(rownames(coef)), ',\n  "terms": ', texts(colnames(coef)),
           ',\n  "params": ', rows(coef), ',\n  "errors": ', rows(errors), "}")
}
exact <- list(epsilon = 1e-12, maxit = 10000)

housing <- read.csv(commandArgs(TRUE)[1])
housing$Sat <- factor(housing$Sat, levels = c("Low", "Medium", "High"))
housing$Infl <- factor(housing$Infl, levels = c("Low", "Medium", "High"))
housing$Type <- factor(housing$Type, levels = c("Tower", "Apartment", "Atrium", "Terrace"))
housing$Cont <- factor(housing$Cont, levels = c("Low", "High"))
large <- brmultinom(Sat ~ Infl + Type + Cont, weights = Freq, data = housing, ref = "Low",
                    control = exact)
housing$Few <- (housing$Freq + 9) %/% 10
few <- brmultinom(Sat ~ Infl + Type + Cont, weights = Few, data = housing, ref = "Low",
                  control = exact)
separated <- read.csv("separated.csv")
separated$y <- factor(separated$y)
apart <- brmultinom(y ~ a + b, data = separated, ref = "0", control = exact)

cat('{"versions": {"R": "', as.character(getRversion()), '", "brglm2": "',
    as.character(packageVersion("brglm2")), '"},\n "housing": ', described(large),
    ',\n "housing of a tenth": ', described(few), ',\n "separated": ', described(apart), "}\n",
    sep = "", file = "brglm2.json")
