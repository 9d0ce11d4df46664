//! Where the chaos runs may end a process or plant a defect. In any other build each point is
//! nothing.
