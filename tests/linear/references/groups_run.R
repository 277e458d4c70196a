# Prints the grouped multinomial fits of glmnet as JSON: Rscript groups_run.R FOLDER
suppressMessages(library(glmnet))
folder <- commandArgs(trailingOnly = TRUE)[1]
X <- as.matrix(read.csv(file.path(folder, "X.csv"), header = FALSE))
y <- factor(scan(file.path(folder, "y.csv"), quiet = TRUE))
lambda <- c(0.2, 0.1, 0.05, 0.02)
numbers <- function(x) paste(sprintf("%.17g", x), collapse = ", ")
fits <- c()
for (alpha in c(1, 0.5)) for (standardize in c(FALSE, TRUE)) {
  fit <- glmnet(X, y, family = "multinomial", type.multinomial = "grouped", alpha = alpha,
                lambda = lambda, standardize = standardize, thresh = 1e-15, maxit = 1e7)
  for (i in seq_along(lambda)) {
    W <- sapply(fit$beta, function(b) as.matrix(b)[, i])
    fits <- c(fits, sprintf(
      '{"lambda": %.17g, "alpha": %.17g, "standardize": %s, "coef": [%s], "intercept": [%s]}',
      lambda[i], alpha, tolower(standardize),
      paste(apply(W, 2, function(w) sprintf("[%s]", numbers(w))), collapse = ", "),
      numbers(fit$a0[, i] - mean(fit$a0[, i]))))
  }
}
cat(sprintf('{"version": "%s", "R": "%s", "fits": [%s]}\n', packageVersion("glmnet"),
            getRversion(), paste(fits, collapse = ",\n")))
